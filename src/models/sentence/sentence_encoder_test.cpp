// Embeddings are compared with transformers
// (tools/reference/models/make_sentence_encoder_fixtures.py), and invalid folders are rejected.
#include "models/sentence/sentence_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <random>

#include "io/error.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "io/tensors/safetensors.h"
#include "models/language/bert.h"
#include "models/testing/fixture.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Pooling = SentenceEncoder::Pooling;
using Json = nlohmann::json;

const std::string kData = EMEND_SOURCE_DIR "/src/models/testdata/sentence/";

std::vector<std::string> texts() {
  const auto file = SafetensorsFile::open(kData + "bert.safetensors");
  return parse_json(file->metadata().at("texts"), "texts").get<std::vector<std::string>>();
}

at::Tensor expected(const std::string& name) {
  return SafetensorsFile::open(kData + name + ".safetensors")->tensor("embeddings").clone();
}

// A copy of a fixture's folder, to be changed.
class Copy {
 public:
  explicit Copy(const std::string& name) : name_(name) {
    fs::copy(kData + name, folder_ / name, fs::copy_options::recursive);
  }
  std::string path() const { return folder_ / name_; }
  std::string operator/(const std::string& file) const { return path() + "/" + file; }
  void remove(const std::string& file) const { fs::remove_all(*this / file); }
  void change(const std::string& file, const std::function<void(Json&)>& change) const {
    auto json = read_json(*this / file);
    change(json);
    write_json(*this / file, json);
  }
  using Tensors = std::vector<std::pair<std::string, at::Tensor>>;
  void change_tensors(const std::function<void(Tensors&)>& change) const {
    Tensors tensors;
    {
      const auto file = SafetensorsFile::open(*this / "model.safetensors");
      for (const auto& [name, info] : file->tensors())
        tensors.emplace_back(name, file->tensor(name).clone());
    }
    change(tensors);
    write_safetensors(*this / "model.safetensors", tensors);
  }
  std::shared_ptr<const SentenceEncoder> load(Pooling pooling = Pooling::mean) const {
    return SentenceEncoder::load(path(), pooling);
  }
  std::string refusal() const {
    try {
      load();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

 private:
  TemporaryFolder folder_;
  std::string name_;
};

void compare(const SentenceEncoder& encoder, const std::string& name) {
  const auto embeddings = encoder.embed(texts());
  EXPECT_LT(fixtures::relative_error(embeddings, expected(name)), 1e-5) << name;
  EXPECT_EQ(embeddings.scalar_type(), at::kFloat);
  EXPECT_EQ(encoder.width(), embeddings.size(1));
}

TEST(SentenceEncoder, EmbeddingsAgreeWithTransformers) {
  // The folder's settings override the requested ones.
  for (auto pooling : {Pooling::mean, Pooling::cls})
    compare(*SentenceEncoder::load(kData + "bert", pooling), "bert");
  compare(*SentenceEncoder::load(kData + "distilbert", Pooling::cls), "distilbert");
  Copy plain("bert");
  for (const char* file : {"modules.json", "1_Pooling", "sentence_bert_config.json"})
    plain.remove(file);
  compare(*plain.load(), "bert_plain");
}

TEST(SentenceEncoder, MistakesAreDetected) {
  const auto right = expected("bert");
  const auto error = [&](const Copy& copy) {
    return fixtures::relative_error(copy.load()->embed(texts()), right);
  };
  const auto with = [&](const std::string& file, const std::function<void(Json&)>& change) {
    Copy copy("bert");
    copy.change(file, change);
    return error(copy);
  };
  EXPECT_GT(with("sentence_bert_config.json", [](Json& c) { c["max_seq_length"] = 11; }), 1e-3);
  EXPECT_GT(with("config.json", [](Json& c) { c["hidden_act"] = "gelu_new"; }), 1e-4);
  EXPECT_GT(with("config.json", [](Json& c) { c["num_attention_heads"] = 2; }), 1e-3);
  EXPECT_GT(with("config.json", [](Json& c) { c["layer_norm_eps"] = 1e-3; }), 1e-4);
  EXPECT_GT(with("modules.json", [](Json& c) { c.erase(2); }), 1e-3);
  EXPECT_GT(with("1_Pooling/config.json",
                 [](Json& c) {
                   c["pooling_mode_mean_tokens"] = false;
                   c["pooling_mode_cls_token"] = true;
                 }),
            1e-3);
  Copy copy("bert");
  copy.change_tensors([](Copy::Tensors& tensors) {
    for (auto& [name, tensor] : tensors)
      if (name == "embeddings.token_type_embeddings.weight") tensor = tensor.flip(0).contiguous();
  });
  EXPECT_GT(error(copy), 1e-3);
}

TEST(SentenceEncoder, BitsDoNotDependOnOtherTexts) {
  const auto encoder = SentenceEncoder::load(kData + "bert", Pooling::mean);
  const auto all = encoder->embed(texts());
  for (size_t i = 0; i < texts().size(); ++i)
    EXPECT_TRUE(at::equal(encoder->embed({texts()[i]})[0], all[static_cast<int64_t>(i)])) << i;
  EXPECT_EQ(encoder->embed({}).sizes(), (std::vector<int64_t>{0, 12}));
  EXPECT_FALSE(all.requires_grad());
}

TEST(SentenceEncoder, AcceptsNamesOfAllReleases) {
  const auto fingerprint = SentenceEncoder::load(kData + "bert", Pooling::mean)->fingerprint();
  Copy copy("bert");
  copy.change_tensors([](Copy::Tensors& tensors) {
    for (auto& [name, tensor] : tensors) {
      const auto norm = name.find("LayerNorm.");
      if (norm != std::string::npos)
        name = name.substr(0, norm) + (name.back() == 't' ? "LayerNorm.gamma" : "LayerNorm.beta");
      name = "bert." + name;
    }
    tensors.emplace_back("bert.embeddings.position_ids", at::arange(16).unsqueeze(0));
    tensors.emplace_back("cls.predictions.bias", at::zeros({49}));
  });
  compare(*copy.load(), "bert");
  EXPECT_EQ(copy.load()->fingerprint(), fingerprint);
  // The vocabulary as lines (vocab.txt) gives the same tokens.
  std::string lines;
  const auto vocabulary = read_json(copy / "tokenizer.json")["model"]["vocab"];
  std::vector<std::string> tokens(vocabulary.size());
  for (const auto& [token, id] : vocabulary.items()) tokens[id.get<size_t>()] = token;
  for (const auto& token : tokens) lines += token + "\n";
  write_file(copy / "vocab.txt", lines);
  copy.remove("tokenizer.json");
  EXPECT_EQ(copy.load()->fingerprint(), fingerprint);
  copy.change("tokenizer_config.json", [](Json& c) { c["do_lower_case"] = false; });
  EXPECT_NE(copy.load()->fingerprint(), fingerprint);
}

TEST(SentenceEncoder, DifferentEncodersHaveDifferentFingerprints) {
  const auto fingerprint = Copy("bert").load()->fingerprint();
  EXPECT_EQ(fingerprint, Copy("bert").load(Pooling::cls)->fingerprint());
  const auto changed = [&](const std::string& file, const std::function<void(Json&)>& change) {
    Copy copy("bert");
    copy.change(file, change);
    return copy.load()->fingerprint();
  };
  EXPECT_NE(changed("modules.json", [](Json& c) { c.erase(2); }), fingerprint);
  EXPECT_NE(changed("sentence_bert_config.json", [](Json& c) { c["max_seq_length"] = 9; }),
            fingerprint);
  EXPECT_NE(changed("config.json", [](Json& c) { c["layer_norm_eps"] = 1e-6; }), fingerprint);
  EXPECT_EQ(changed("config.json", [](Json& c) { c["transformers_version"] = "4"; }), fingerprint);
  Copy copy("bert");
  copy.change_tensors([](Copy::Tensors& tensors) { tensors[3].second.view({-1})[0] += 1e-3; });
  EXPECT_NE(copy.load()->fingerprint(), fingerprint);
  EXPECT_NE(SentenceEncoder::load(kData + "distilbert", Pooling::cls)->fingerprint(),
            SentenceEncoder::load(kData + "distilbert", Pooling::mean)->fingerprint());
}

TEST(SentenceEncoder, RejectsFilesThatDoNotFit) {
  const auto with = [](const std::string& file, const std::function<void(Json&)>& change) {
    Copy copy("bert");
    copy.change(file, change);
    return copy.refusal();
  };
  EXPECT_EQ(Copy("bert").refusal(), "no error");
  const auto config = [&](const char* name, const Json& value) {
    return with("config.json", [&](Json& c) { c[name] = value; });
  };
  EXPECT_THAT(config("model_type", "roberta"), AllOf(HasSubstr("roberta"), HasSubstr("bert")));
  EXPECT_THAT(config("position_embedding_type", "relative_key"), HasSubstr("relative_key"));
  EXPECT_THAT(config("is_decoder", true), HasSubstr("is_decoder"));
  EXPECT_THAT(config("hidden_act", "mish"), HasSubstr("mish"));
  EXPECT_THAT(config("num_attention_heads", 5), HasSubstr("number of heads 5"));
  EXPECT_THAT(config("num_hidden_layers", 3), HasSubstr("encoder.layer.2.attention.self.query"));
  EXPECT_THAT(config("num_hidden_layers", 1), HasSubstr("unexpected: encoder.layer.1"));
  EXPECT_THAT(config("intermediate_size", 24), HasSubstr("with a wrong shape or dtype"));
  EXPECT_THAT(config("vocab_size", 48), HasSubstr("with a wrong shape or dtype"));
  EXPECT_THAT(with("1_Pooling/config.json",
                   [](Json& c) {
                     c["pooling_mode_mean_tokens"] = false;
                     c["pooling_mode_max_tokens"] = true;
                   }),
              HasSubstr("max_tokens"));
  EXPECT_THAT(with("1_Pooling/config.json", [](Json& c) { c["pooling_mode_max_tokens"] = true; }),
              HasSubstr("several"));
  EXPECT_THAT(with("modules.json", [](Json& c) { c[2]["type"] = "models.Dense"; }),
              HasSubstr("Dense"));
  EXPECT_THAT(with("modules.json", [](Json& c) { c[1]["path"] = "../elsewhere"; }),
              HasSubstr("elsewhere"));
  EXPECT_THAT(with("sentence_bert_config.json", [](Json& c) { c["do_lower_case"] = true; }),
              HasSubstr("do_lower_case"));
  EXPECT_THAT(with("sentence_bert_config.json", [](Json& c) { c["max_seq_length"] = 2; }),
              HasSubstr("2 of which are special"));
  EXPECT_THAT(with("tokenizer.json", [](Json& c) { c["model"]["vocab"]["far"] = 49; }),
              HasSubstr("50 tokens, but its model has only 49"));
  EXPECT_THAT(with("tokenizer.json", [](Json& c) { c["model"]["vocab"]["red"] = 60; }),
              HasSubstr("does not exist"));
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"}) {
    Copy copy("bert");
    copy.remove(file);
    EXPECT_NE(copy.refusal(), "no error") << file;
  }
  Copy copy("bert");
  copy.change_tensors([](Copy::Tensors& tensors) {
    tensors.emplace_back("classifier.weight", at::zeros({2, 12}));
  });
  EXPECT_THAT(copy.refusal(), HasSubstr("classifier.weight"));
  fs::remove_all(copy.path());
  EXPECT_THAT(copy.refusal(), HasSubstr("not a folder"));
}

// Each damaged folder is loaded or rejected; a loaded one can embed.
TEST(SentenceEncoder, DamagedFoldersDoNotCrash) {
  std::mt19937 rng(3);
  const char* const files[] = {"config.json", "modules.json", "1_Pooling/config.json",
                               "sentence_bert_config.json", "tokenizer_config.json"};
  const char* const bits[] = {"null", "-1", "1e99", "\"\"", "[]", "{}", "true", "0", "\xff", ","};
  Copy copy("bert");
  int loaded = 0, refused = 0;
  for (int round = 0; round < 150; ++round) {
    const std::string file = files[rng() % std::size(files)];
    const auto sound = read_file(copy / file);
    auto text = sound;
    const auto at = rng() % text.size();
    if (const auto colon = text.find(": ", at); rng() % 2 && colon != std::string::npos)
      text.replace(colon + 2, text.find_first_of(",}\n", colon) - colon - 2,
                   bits[rng() % std::size(bits)]);
    else
      text[at] = static_cast<char>(rng());
    write_file(copy / file, text);
    try {
      EXPECT_EQ(copy.load()->embed({"red star"}).size(0), 1);
      ++loaded;
    } catch (const Error&) {
      ++refused;
    }
    write_file(copy / file, sound);
  }
  EXPECT_EQ(loaded + refused, 150);
  EXPECT_GT(loaded, 10);
  EXPECT_GT(refused, 40);
}

}  // namespace
}  // namespace emend
