// Folders of LLaVA and of Llama: prompts, errors and names.

#include "models/architectures/llava.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "io/error.h"
#include "models/testing/fixture.h"
#include "models/testing/thread_guard.h"
#include "models/vlm.h"
#include "tests/tiny_llava.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LlavaFolder : public ::testing::Test {
 protected:
  ThreadGuard threads_{1};

  LlavaFolder() { testing::write_tiny_llava(folder.path()); }
  Processor processor(bool wrap = true) const {
    const auto config = json::parse(std::ifstream(folder / "config.json"));
    return Processor::load(folder.path(), architecture_of(config).layout, wrap);
  }
  // The text of a row, with `#` for each run of image tokens.
  static std::string said(const Processor& processor, const Row& row) {
    std::string text;
    std::vector<int64_t> piece;
    bool slot = false;
    const auto flush = [&] {
      text += processor.tokenizer->decode(piece, /*skip_special=*/false);
      piece.clear();
    };
    for (int64_t id : row.ids) {
      if (id == kImageToken && !slot) {
        flush();
        text += '#';
      }
      slot = id == kImageToken;
      if (!slot) piece.push_back(id);
    }
    flush();
    return text;
  }
  std::string asked(const std::string& text, int64_t image = -1, bool wrap = true) const {
    const auto p = processor(wrap);
    return said(p, p.row(text, image));
  }
  void write(const std::string& name, const json& content) const {
    testing::write_text(folder / name, content.dump());
  }
  static Image picture(uint64_t seed) { return *testing::noise_image(seed); }

  TemporaryFolder folder;
};

TEST_F(LlavaFolder, AppliesVicunaTemplate) {
  EXPECT_EQ(asked("What is it?", 0), "</s>USER: #\nWhat is it? ASSISTANT:");
  EXPECT_EQ(asked("What is it?"), "</s>USER: What is it? ASSISTANT:");
  const auto row = processor().row("What is it?", 3);
  EXPECT_EQ(std::count(row.ids.begin(), row.ids.end(), kImageToken), 16);
  EXPECT_THAT(row.images, ElementsAre(3));
}

TEST_F(LlavaFolder, KeepsFormattedPrompts) {
  EXPECT_EQ(asked("USER: one ASSISTANT:"), "</s>USER: one ASSISTANT:");
  EXPECT_EQ(asked("before <image> after", 0), "</s>before # after");
  EXPECT_EQ(asked("after all <image>", 0), "</s>after all #");
  EXPECT_EQ(asked("<image>", 0), "</s>#");
  std::string all;
  for (int i = 0; i < 16; ++i) all += "<image>";
  EXPECT_EQ(asked("USER: " + all + "\nWhat? ASSISTANT:", 0), "</s>USER: #\nWhat? ASSISTANT:");
  // Too many or too few placeholders, separate placeholders, or placeholders without a picture.
  const char* const where = "in a wrong place";
  EXPECT_THAT(error_of([&] { asked("<image> and <image>", 0); }), HasSubstr(where));
  EXPECT_THAT(error_of([&] { asked("<image><image>", 0); }), HasSubstr(where));
  EXPECT_THAT(error_of([&] { asked("What is <image>?"); }), HasSubstr(where));
  EXPECT_THAT(error_of([&] { asked("", 0); }), HasSubstr("empty"));
}

TEST_F(LlavaFolder, AppliesNoTemplateIfDisabled) {
  EXPECT_EQ(asked("What is it?", 0, false), "</s>#\nWhat is it?");
  EXPECT_EQ(asked("What is it?", -1, false), "</s>What is it?");
  const auto vlm = load_vlm(folder.path(), {.chat_template = false});
  EXPECT_EQ(said(vlm.processor, vlm.processor.row("It is")), "</s>It is");
}

// The folder's template overrides the default of the architecture.
TEST_F(LlavaFolder, ChatTemplateOfTheFolderOverridesTheDefault) {
  write("chat_template.json",
        {{"chat_template",
          "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {% for c in m['content'] %}"
          "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] | trim }}{% endif %}"
          "{% endfor %}{% endfor %}{% if add_generation_prompt %} [answer]{% endif %}"}});
  write("tokenizer_config.json", {{"bos_token", "</s>"}, {"tokenizer_class", "GPT2Tokenizer"}});
  EXPECT_EQ(asked(" What is it? ", 0), "</s>[user] #What is it? [answer]");
  EXPECT_EQ(asked("What is it?"), "</s>[user] What is it? [answer]");
  EXPECT_EQ(asked("[user] Said already [answer]"), "</s>[user] Said already [answer]");
  EXPECT_EQ(processor().layout.with_picture, "</s>[user] <image>{} [answer]");
  EXPECT_EQ(asked("What is it?", -1, false), "</s>What is it?");
  write("chat_template.json", {{"chat_template", "{% frobnicate %}"}});
  EXPECT_THAT(error_of([&] { processor(); }), HasSubstr("chat template of"));
  EXPECT_EQ(asked("What is it?", -1, false), "</s>What is it?");
}

TEST_F(LlavaFolder, BatchGivesTheAnswersOfSinglePrompts) {
  const auto vlm = load_vlm(folder.path());
  const std::vector<Query> queries{{picture(1), "What is this?"},
                                   {std::nullopt, "Where does the cat live, and with whom?"},
                                   {picture(2), "So <image>, and what is that?"}};
  GenerationOptions options;
  options.max_new_tokens = 6;
  const auto together = generate(vlm, queries, {}, options);
  for (size_t i = 0; i < queries.size(); ++i)
    EXPECT_EQ(generate(vlm, {queries[i]}, {}, options)[0], together[i]) << i;
}

TEST_F(LlavaFolder, StopTokensComeFromTheFolder) {
  EXPECT_THAT(processor().stop_tokens, ElementsAre(2));
  write("generation_config.json", {{"eos_token_id", {5, 7}}});
  EXPECT_THAT(processor().stop_tokens, ElementsAre(5, 7));
  write("generation_config.json", {{"eos_token_id", nullptr}});
  EXPECT_THAT(processor().stop_tokens, ElementsAre(2));
  write("generation_config.json", {{"eos_token_id", "</s>"}});
  EXPECT_THAT(error_of([&] { processor(); }),
              HasSubstr(folder / "generation_config.json.eos_token_id"));
}

TEST_F(LlavaFolder, RejectsFilesOfDifferentModels) {
  write("processor_config.json", {{"patch_size", 14}});
  EXPECT_THAT(error_of([&] { processor(); }), HasSubstr("patch_size 14, but the model has 8"));
  write("processor_config.json", {{"vision_feature_select_strategy", "full"}});
  EXPECT_THAT(error_of([&] { processor(); }), HasSubstr("the model has \"default\""));
  write("processor_config.json", json::object());
  write("tokenizer.json", testing::tiny_tokenizer());
  EXPECT_THAT(error_of([&] { processor(); }), HasSubstr("no token 260"));
  testing::write_tiny_llava(folder.path());
  write("preprocessor_config.json", {{"image_processor_type", "CLIPImageProcessor"}});
  const auto vlm = load_vlm(folder.path());
  EXPECT_THAT(error_of([&] {
                generate(vlm, {{picture(1), "What?"}});
              }),
              HasSubstr("pixels must be (N, 3, 32, 32)"));
}

TEST(LlavaNames, OfAllReleasesAreAccepted) {
  const auto fixture = fixtures::Fixture::open("llava/plain");
  const auto known = fixtures::load(fixture)->parameters();
  const auto load = [&](const std::function<std::string(const std::string&)>& rename) {
    std::vector<WeightInfo> listed;
    for (const auto& [name, tensor] : known)
      listed.push_back({rename(name), tensor.sizes().vec(), at::kFloat});
    Weights weights(listed, at::kFloat);
    return make_llava(LlavaConfig::parse(fixture.config), weights)->parameters().size();
  };
  EXPECT_EQ(load([](const std::string& name) { return name; }), known.size());
  const auto newer = [](std::string name) {
    if (name == "language_model.lm_head.weight") return std::string("lm_head.weight");
    if (name.starts_with("language_model.model.")) name = "language_model." + name.substr(21);
    if (name.starts_with("vision_tower.vision_model.")) name = "vision_tower." + name.substr(26);
    return "model." + name;
  };
  EXPECT_EQ(load(newer), known.size());
  for (const auto& [name, tensor] : known) EXPECT_EQ(llava_name(newer(name)), name);
}

TEST(LlavaConfig, RejectsFieldsThatAreNotImplemented) {
  const auto refusal = [](const json& change) {
    auto config = testing::tiny_llava_config();
    config.merge_patch(change);
    return error_of([&] { LlavaConfig::parse(config); });
  };
  EXPECT_EQ(refusal(json::object()), "no error");
  EXPECT_THAT(refusal({{"vision_feature_layer", {-2, -5}}}), HasSubstr("vision_feature_layer"));
  EXPECT_THAT(refusal({{"vision_feature_layer", json::array()}}),
              HasSubstr("vision_feature_layer"));
  EXPECT_THAT(refusal({{"vision_feature_layer", {-2, "x"}}}), HasSubstr("vision_feature_layer"));
  EXPECT_THAT(refusal({{"vision_feature_layer", 4}}), HasSubstr("vision_feature_layer is 4"));
  EXPECT_THAT(refusal({{"vision_feature_layer", -5}}), HasSubstr("vision_feature_layer is -5"));
  EXPECT_THAT(refusal({{"vision_feature_select_strategy", "cls"}}), HasSubstr("`full`"));
  EXPECT_THAT(refusal({{"projector_hidden_act", "mish"}}), HasSubstr("projector_hidden_act"));
  EXPECT_THAT(refusal({{"image_token_index", 999}}), HasSubstr("999 is not below vocab_size"));
  EXPECT_THAT(refusal({{"text_config", {{"model_type", "gemma"}}}}), HasSubstr("gemma"));
  EXPECT_THAT(refusal({{"vision_config", {{"model_type", "pixtral"}}}}), HasSubstr("pixtral"));
  EXPECT_THAT(refusal({{"vision_config", {{"hidden_size", 25}}}}), HasSubstr("hidden_size is 25"));
  EXPECT_THAT(refusal({{"vision_config", {{"image_size", 4}}}}), HasSubstr("image_size is 4"));
}

TEST(LlamaText, RejectsPictures) {
  TemporaryFolder folder;
  testing::write_tiny_llama(folder.path());
  const auto vlm = load_vlm(folder.path());
  GenerationOptions options;
  options.max_new_tokens = 5;
  const auto text = generate(vlm, {{std::nullopt, "Say"}, {std::nullopt, "Say more"}}, {}, options);
  EXPECT_EQ(generate(vlm, {{std::nullopt, "Say"}}, {}, options)[0], text[0]);
  EXPECT_EQ(vlm.fingerprint().size(), 32u);
  EXPECT_EQ(vlm.model->first_stage(Module::language), 0u);
  const auto says = "this model reads text only";
  const auto image = *testing::noise_image(1);
  EXPECT_THAT(error_of([&] { generate(vlm, {{image, "What?"}}); }), HasSubstr(says));
  EXPECT_THAT(error_of([&] { vlm.processor.row("What?", 0); }), HasSubstr(says));
  EXPECT_THAT(error_of([&] {
                vlm.model->collate({at::zeros({1, 3, 8, 8}), {{{1}, {0}, {}, -1}}});
              }),
              HasSubstr("this model reads text only"));
}

// As with apply_chat_template in transformers, BOS is added only by the template.
TEST(LlamaText, ChatTemplateAddsBosItself) {
  TemporaryFolder folder;
  testing::write_tiny_llama(folder.path());
  testing::write_text(folder / "chat_template.jinja",
                      "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
                      "{% if add_generation_prompt %}<assistant>{% endif %}");
  const auto vlm = load_vlm(folder.path());
  const auto plain = load_vlm(folder.path(), {.chat_template = false});
  const auto& tokenizer = *vlm.processor.tokenizer;
  EXPECT_EQ(vlm.processor.row("Hi").ids, tokenizer.encode("<user>Hi<assistant>", false));
  EXPECT_EQ(plain.processor.row("Hi").ids, tokenizer.encode("Hi", true));
}

// The prompts of transformers' LlavaProcessor with a real tokenizer and its chat template
// (tools/reference/models/make_llava_prompts.py).
TEST(LlavaPrompts, AgreeWithTheReleasedProcessor) {
  const std::string real = EMEND_SHARED_DIR "/data/tokenizers/llama2/tokenizer.json";
  if (!std::filesystem::exists(real)) GTEST_SKIP() << "no real tokenizer at " << real;
  const auto expected =
      json::parse(std::ifstream(EMEND_SOURCE_DIR "/src/models/testdata/llava/prompts.json"));
  TemporaryFolder folder;
  testing::write_tiny_llava(folder.path());
  auto tokenizer = json::parse(std::ifstream(real));
  auto placeholder = testing::tiny_tokenizer_with_placeholder()["added_tokens"].back();
  placeholder["id"] = expected["image_token"];
  tokenizer["added_tokens"].push_back(placeholder);
  testing::write_text(folder / "tokenizer.json", tokenizer.dump());
  testing::write_text(folder / "chat_template.json",
                      json{{"chat_template", expected["template"]}}.dump());
  auto layout = architecture_of(testing::tiny_llava_config()).layout;
  layout.image_token = expected["image_token"].get<int64_t>();
  layout.num_image_tokens = expected["slots"];
  const auto wrapped = Processor::load(folder.path(), layout);
  const auto bare = Processor::load(folder.path(), layout, /*wrap=*/false);
  std::filesystem::remove(folder / "chat_template.json");
  const auto vicuna = Processor::load(folder.path(), layout);
  const auto ids_of = [&](const json& line) {
    auto ids = line.at("ids").get<std::vector<int64_t>>();
    for (auto& id : ids)
      if (id == layout.image_token) id = kImageToken;
    return ids;
  };
  const auto row = [](const Processor& processor, const json& line) {
    return processor.row(line.at("text"), line.at("shown").get<bool>() ? 0 : -1).ids;
  };
  for (const auto& line : expected.at("prompts")) EXPECT_EQ(row(bare, line), ids_of(line)) << line;
  for (const auto& line : expected.at("bare")) {
    EXPECT_EQ(wrapped.prompt(line.at("text"), line.at("shown").get<bool>() ? 1 : 0),
              line.at("asked"));
    EXPECT_EQ(row(wrapped, line), ids_of(line)) << line;
    // Without the file, the architecture's default is the same.
    EXPECT_EQ(row(vicuna, line), ids_of(line)) << line;
  }
}

// Llama's tokenizers add a space before a text; a continuation has one only if its text does.
TEST(LlamaText, TargetsContinueAPrompt) {
  const std::string real = EMEND_SHARED_DIR "/data/tokenizers/llama2";
  if (!std::filesystem::exists(real)) GTEST_SKIP() << "no real tokenizer at " << real;
  TemporaryFolder folder;
  std::filesystem::copy(real, folder.path(), std::filesystem::copy_options::recursive);
  const auto processor = Processor::load(folder.path(), {}, false);
  const auto prompt = processor.row("USER: What? ASSISTANT:").ids;
  for (const std::string answer : {" a red star", "star", " 42", " Yes."}) {
    auto ids = prompt;
    for (int64_t id : processor.target(answer)) ids.push_back(id);
    EXPECT_EQ(ids, processor.row("USER: What? ASSISTANT:" + answer).ids) << answer;
  }
}

}  // namespace
}  // namespace emend
