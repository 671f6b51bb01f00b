// IKE and SERAC with a sentence encoder instead of the model's hidden states.
#include "editing/training/encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "editing/editors/ike/ike.h"
#include "editing/editors/serac/mixer.h"
#include "editing/editors/serac/training.h"
#include "editing/patches/patch_stack.h"
#include "editing/registry.h"
#include "editing/settings/easyedit/hparams.h"
#include "editing/testing/tiny_vlm_test.h"
#include "io/error.h"
#include "io/json/json.h"
#include "io/testing.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kEncoders = EMEND_SOURCE_DIR "/src/models/testdata/sentence/";

class EncoderTest : public testing::TinyVlmTest {
 protected:
  static void SetUpTestSuite() {
    TinyVlmTest::SetUpTestSuite();
    // Another encoder, with a shorter maximum length.
    fs::copy(kEncoders + "bert", *folder_ / "moved", fs::copy_options::recursive);
    fs::copy(kEncoders + "bert", *folder_ / "other", fs::copy_options::recursive);
    write_json(*folder_ / "other/sentence_bert_config.json", {{"max_seq_length", 5}});
  }
  static const Vlm& vlm() { return *vlm_; }

  // For IKE.
  static IkeCorpus corpus(const std::string& embedding) {
    IkeCorpusSettings settings;
    settings.embedding = embedding;
    // Short texts, which are not truncated.
    settings.templates.demonstration = "{target} {prompt} {question} {answer}";
    std::vector<Demonstration> all;
    for (const char* target : {"red", "blue", "star"})
      for (const char* prompt : {"a", "b", "it"}) {
        all.push_back(copy_of(prompt, target));
        all.push_back({"retain", prompt, target, "what is it?", "c"});
      }
    return IkeCorpus::of(vlm(), all, settings);
  }
  static std::string saved(const std::string& name, const EditorCheckpoint& checkpoint) {
    save_checkpoint(*folder_ / name, checkpoint);
    return *folder_ / name;
  }

  // For SERAC.
  static EditExample example(int number) {
    auto picture = [&](int series) {
      return Picture{"", testing::noise_image(static_cast<uint64_t>(series + number))};
    };
    EditExample example;
    example.edit = {picture(0), "what is it?", number % 2 ? " cat" : " dog"};
    example.generality = {{example.edit.image, "a what is it?", example.edit.target}};
    example.image_locality = {{picture(200), "red?", " here"}};
    example.text_locality = {{{}, "blue, is it?", " me"}};
    return example;
  }
  static std::string trained(const std::string& module, const std::string& encoder) {
    auto trainable = make_trainable_editor("serac", vlm(),
                                           {{"module", module},
                                            {"encoder", encoder},
                                            {"patch_feature_width", 4},
                                            {"hidden", 8},
                                            {"embedding", 4},
                                            {"rank", 2},
                                            {"lr", 0.02},
                                            {"texts", 0.5}},
                                           nullptr);
    Trainer trainer(*trainable);
    for (int i = 0; i < 3; ++i) trainer.step({example(i), example(i + 1)});
    return saved(module + ".safetensors", {"serac", vlm().fingerprint(), trainable->settings(),
                                           nlohmann::json::object(), trainable->tensors()});
  }
  static Patch edited(const std::string& module, const std::string& checkpoint,
                      const std::string& encoder = "") {
    auto editor = make_editor("serac", {{"module", module},
                                        {"threshold", 0.9999},
                                        {"mix", "hard"},
                                        {"encoder", encoder},
                                        {"checkpoint", checkpoint}});
    return editor->edit(vlm(), {{{"", testing::noise_image(1)}, "what is it?", " cat"}});
  }
  static at::Tensor logits(const std::string& question, const Interventions& interventions) {
    at::NoGradGuard no_grad;
    return teacher_force(vlm(), {{*testing::noise_image(1), question}}, {" cat"}, interventions)
        .at(0)
        .logits;
  }
};

TEST_F(EncoderTest, IkeRanksByEncoderEmbeddings) {
  const auto encoder = SentenceEncoder::load(kEncoders + "bert", SentenceEncoder::Pooling::mean);
  const auto all = corpus(kEncoders + "bert");
  std::vector<std::string> shown;
  for (const auto& one : all.demonstrations)
    shown.push_back(all.settings.templates.format_demonstration(one));
  const auto embeddings = encoder->embed(shown);
  EXPECT_TRUE(at::equal(all.embeddings, embeddings));
  EXPECT_FALSE(all.mean.any().item<bool>());
  EXPECT_EQ(all.settings.encoder_id, encoder->fingerprint());
  for (const auto& [prompt, target] :
       {std::pair{"a", "red"}, {"what", "blue"}, {"it", "star"}, {"b c", "red"}}) {
    const auto query =
        encoder->embed({all.settings.templates.format_demonstration(copy_of(prompt, target))})[0]
            .to(at::kDouble);
    const auto wide = embeddings.to(at::kDouble);
    const auto cosines = at::mv(wide, query) / (wide.norm(2, 1) * query.norm());
    const auto order = all.nearest(vlm(), prompt, target, 18);
    ASSERT_EQ(order.size(), 18u);
    for (size_t i = 1; i < order.size(); ++i)
      EXPECT_GE(cosines[order[i - 1]].item<double>() + 1e-12, cosines[order[i]].item<double>());
  }
  // A text of the corpus is its own nearest neighbor; for the others, the model's states differ.
  EXPECT_EQ(all.nearest(vlm(), "b", "blue", 1)[0], 8);
  EXPECT_NE(all.nearest(vlm(), "b", "blue", 18), corpus("states").nearest(vlm(), "b", "blue", 18));
}

TEST_F(EncoderTest, IkeCorpusIsLoadedWithItsEncoder) {
  const auto made = corpus(kEncoders + "bert");
  const auto file = saved("ike.safetensors", made.checkpoint(vlm(), {}));
  const auto moved = *folder_ / "moved", other = *folder_ / "other";
  for (const std::string& where : {std::string(), moved}) {
    const auto read = IkeCorpus::load(vlm(), file, where);
    EXPECT_EQ(read.nearest(vlm(), "b", "star", 18), made.nearest(vlm(), "b", "star", 18)) << where;
    EXPECT_EQ(read.settings.encoder_id, made.settings.encoder_id);
  }
  const auto edit = [&](const std::string& embedding) {
    return make_editor("ike", {{"checkpoint", file}, {"k", 3}, {"embedding", embedding}})
        ->edit(vlm(), {{{}, "b", " star"}});
  };
  EXPECT_EQ(edit("").memory.entries[0].facts, edit(moved).memory.entries[0].facts);
  EXPECT_THAT(error_of([&] { edit(other); }),
              AllOf(HasSubstr(other), HasSubstr(made.settings.encoder_id)));
  EXPECT_THAT(error_of([&] { edit("states"); }), HasSubstr("not by 'states'"));
  EXPECT_THAT(error_of([&] { edit("nowhere"); }),
              AllOf(HasSubstr("no sentence encoder 'nowhere'"), HasSubstr("--set embedding=")));
  // A corpus with hidden states of the model needs no encoder.
  const auto states = saved("states.safetensors", corpus("states").checkpoint(vlm(), {}));
  EXPECT_THAT(error_of([&] { IkeCorpus::load(vlm(), states, moved); }),
              AllOf(HasSubstr("embedded by 'states'"), HasSubstr("emend train --editor ike")));
  EXPECT_NO_THROW(IkeCorpus::load(vlm(), states, "states"));
  // A corpus that does not name its encoder.
  auto silent = made.checkpoint(vlm(), {});
  silent.settings.erase("encoder_id");
  EXPECT_THAT(error_of([&] { IkeCorpus::load(vlm(), saved("silent.safetensors", silent)); }),
              HasSubstr("does not name the sentence encoder"));
}

TEST_F(EncoderTest, SeracUsesEncoderEmbeddings) {
  const auto encoder =
      SentenceEncoder::load(kEncoders + "distilbert", SentenceEncoder::Pooling::cls);
  for (const std::string module : {"repaired", "paper"}) {
    SeracConfig shape;
    shape.module = module;
    shape.encoder = kEncoders + "distilbert";
    const SeracState serac(*vlm().model, shape);
    EXPECT_EQ(serac.shape.encoder_id, encoder->fingerprint());
    Batch batch{at::rand({1, 3, 32, 32}),
                {vlm().processor.row("what is it?", 0), vlm().processor.row("Red star")}};
    auto& asked = batch.rows[1];
    asked.prompt_length = static_cast<int64_t>(asked.ids.size());
    for (auto id : vlm().processor.target(" a")) asked.ids.push_back(id);
    const auto image_features = get_image_features(vlm(), batch.pixels, nullptr);
    const auto features = question_features(vlm(), batch, image_features, serac.features);
    // This variant sees the teacher-forced answer.
    const auto expected =
        encoder->embed({"what is it?", module == "paper" ? "Red star a" : "Red star"});
    EXPECT_TRUE(at::equal(features.text, expected.unsqueeze(1))) << module;
    EXPECT_EQ(features.pictures.defined(), module == "repaired");
    EXPECT_EQ(serac.scope.embed(features).sizes(), (std::vector<int64_t>{2, serac.scope.width()}));
  }
}

TEST_F(EncoderTest, SeracPatchIsLoadedWithItsEncoder) {
  const auto encoder = *folder_ / "moved", other = *folder_ / "other";
  for (const std::string module : {"repaired", "paper"}) {
    const auto file = trained(module, kEncoders + "bert");
    const auto patch = edited(module, file), elsewhere = edited(module, file, encoder);
    EXPECT_EQ(elsewhere.memory.reading["encoder"], encoder);
    EXPECT_EQ(patch.memory.reading["encoder_id"], elsewhere.memory.reading["encoder_id"]);
    const auto after = logits("what is it?", patch.interventions(vlm()));
    EXPECT_FALSE(at::equal(after, logits("what is it?", {}))) << module;
    EXPECT_TRUE(at::equal(after, logits("what is it?", elsewhere.interventions(vlm()))));
    // Another text is out of scope.
    EXPECT_TRUE(at::equal(logits("blue", patch.interventions(vlm())), logits("blue", {})));
    // After saving and loading, and in a stack of patches.
    save_patch(*folder_ / "serac.patch", patch);
    const auto loaded = load_patch(*folder_ / "serac.patch");
    EXPECT_FALSE(loaded.memory.encoder);
    EXPECT_TRUE(at::equal(after, logits("what is it?", loaded.interventions(vlm()))));
    PatchStack stack;
    stack.apply(vlm(), loaded);
    EXPECT_TRUE(at::equal(after, logits("what is it?", stack.interventions(vlm()))));
    // Another encoder is rejected, in an edit and as the encoder of a patch.
    EXPECT_THAT(error_of([&] { edited(module, file, other); }),
                AllOf(HasSubstr(other), HasSubstr("--set encoder=")));
    auto changed = loaded;
    changed.memory.reading["encoder"] = other;
    EXPECT_THAT(error_of([&] { changed.interventions(vlm()); }), HasSubstr(other));
    changed.memory.reading["encoder"] = "nowhere";
    EXPECT_THAT(error_of([&] { changed.interventions(vlm()); }),
                HasSubstr("no sentence encoder 'nowhere'"));
  }
}

TEST_F(EncoderTest, SettingsWithoutEncoderAreUnchanged) {
  const auto file = trained("repaired", "");
  const auto patch = edited("repaired", file);
  for (const char* name : {"encoder", "encoder_id"})
    EXPECT_FALSE(patch.memory.reading.contains(name));
  EXPECT_EQ(patch.settings.at("encoder"), "");
  EXPECT_FALSE(settings_json(IkeCorpusSettings()).contains("encoder_id"));
  EXPECT_EQ(settings_json(IkeSettings()).at("embedding"), "");
  EXPECT_THAT(error_of([&] { edited("repaired", file, *folder_ / "moved"); }),
              HasSubstr("trained on hidden states of the model"));
  EXPECT_TRUE(editor_info("serac").has_setting("encoder"));
  EXPECT_TRUE(editor_info("ike").has_setting("embedding"));
}

TEST_F(EncoderTest, EasyEditFilesSelectTheEncoderIfItExists) {
  const auto read = [&](const std::string& text) {
    testing::write_text(*folder_ / "file.yaml", text);
    return read_hparams(*folder_ / "file.yaml");
  };
  const auto here = *folder_ / "moved";
  auto hparams = read("alg_name: IKE\nk: 4\nsentence_model_name: " + here + "\n");
  EXPECT_EQ(hparams.spec.settings["embedding"], here);
  EXPECT_TRUE(hparams.ignored.empty());
  hparams = read("alg_name: IKE\nk: 4\nsentence_model_name: nowhere\n");
  EXPECT_FALSE(hparams.spec.settings.contains("embedding"));
  ASSERT_EQ(hparams.ignored.size(), 1u);
  EXPECT_EQ(hparams.ignored[0].key, "sentence_model_name");
  hparams = read("alg: SERAC_MULTI\ncls_name: " + here + "\n");
  EXPECT_EQ(hparams.spec.settings["encoder"], here);
  EXPECT_EQ(hparams.training["encoder"], here);
  hparams = read("alg: SERAC_MULTI\ncls_name: nowhere\n");
  EXPECT_FALSE(hparams.spec.settings.contains("encoder"));
  EXPECT_FALSE(hparams.training.contains("encoder"));
  EXPECT_EQ(hparams.ignored_in_training[0].key, "cls_name");
}

}  // namespace
}  // namespace emend
