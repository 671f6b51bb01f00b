#include "exports/gguf/gguf_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "exports/gguf/gguf_adapter.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "io/testing.h"
#include "models/architectures/architecture.h"
#include "tests/tiny_models.h"

namespace emend {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

// Reads back what the test needs of a file that has no arrays of numbers in front of its tensors:
// the bytes of a float32 tensor, found by the entry of its name.
class GgufFile {
 public:
  explicit GgufFile(const std::string& path) : bytes_(read_file(path)) {
    at_ = 8;
    const auto tensors = next<uint64_t>(), keys = next<uint64_t>();
    for (uint64_t i = 0; i < keys; ++i) {
      const auto key = text();
      const auto begin = at_;
      skip_value(next<uint32_t>());
      values_[key] = bytes_.substr(begin + 4, at_ - begin - 4);
    }
    for (uint64_t i = 0; i < tensors; ++i) {
      Entry entry;
      const auto name = text();
      entry.shape.resize(next<uint32_t>());
      for (auto extent = entry.shape.rbegin(); extent != entry.shape.rend(); ++extent)
        *extent = static_cast<int64_t>(next<uint64_t>());
      entry.type = next<uint32_t>();
      entry.offset = next<uint64_t>();
      entries_[name] = entry;
    }
    data_ = (at_ + 31) / 32 * 32;
  }
  bool has(const std::string& name) const { return entries_.count(name) > 0; }
  size_t size() const { return entries_.size(); }
  uint32_t type(const std::string& name) const { return entries_.at(name).type; }
  at::Tensor tensor(const std::string& name) {
    const auto& entry = entries_.at(name);
    EXPECT_EQ(entry.type, 0u) << name;
    return at::from_blob(bytes_.data() + data_ + entry.offset, entry.shape).clone();
  }
  // A value's bytes: of a text with its length.
  template <class T>
  T number(const std::string& key) const {
    T value;
    std::memcpy(&value, values_.at(key).data(), sizeof value);
    return value;
  }
  std::string string(const std::string& key) const { return values_.at(key).substr(8); }

 private:
  struct Entry {
    std::vector<int64_t> shape;
    uint32_t type;
    uint64_t offset;
  };
  template <class T>
  T next() {
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string text() {
    const auto size = next<uint64_t>();
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  void skip_value(uint32_t type) {
    if (type == 8) {
      text();
    } else if (type == 9) {
      const auto item = next<uint32_t>();
      const auto count = next<uint64_t>();
      for (uint64_t i = 0; i < count; ++i) skip_value(item);
    } else {
      at_ += type == 7 ? 1 : 4;
    }
  }

  std::string bytes_;
  size_t at_ = 0, data_ = 0;
  std::map<std::string, std::string> values_;
  std::map<std::string, Entry> entries_;
};

// The folder of a committed tiny decoder and a tokenizer. `gqa`: a Llama with rotary embeddings of
// llama3.
void write_decoder_folder(const std::string& folder, const std::string& name) {
  fs::copy(EMEND_SOURCE_DIR "/src/models/testdata/llama/" + name, folder);
  auto tokenizer = testing::tiny_tokenizer();
  auto vocabulary = nlohmann::json::object();  // 43 rows: the first bytes only
  for (const auto& [token, id] : tokenizer["model"]["vocab"].items())
    if (id < 43) vocabulary[token] = id;
  vocabulary["a"] = 42;
  vocabulary.erase("&");
  tokenizer["model"]["vocab"] = vocabulary;
  tokenizer["post_processor"] = nullptr;
  write_json(folder + "/tokenizer.json", tokenizer);
}

Patch gguf_patch(const Vlm& vlm, const std::vector<std::string>& sites, int64_t rank) {
  at::manual_seed(4);
  Patch patch;
  patch.base = vlm.fingerprint();
  patch.editor = "lora";
  for (const auto& name : sites) {
    const auto& site = vlm.model->site(name);
    if (rank == 0)
      patch.deltas.push_back({name, {at::randn({site.out, site.in}) * 0.1, {}, {}}});
    else
      patch.deltas.push_back(
          {name, {{}, at::randn({site.out, rank}) * 0.1, at::randn({rank, site.in})}});
    ++rank;
  }
  patch.id = patch_id(patch);
  return patch;
}

// Row r of a head with `width` rows comes from here.
int64_t source_row(int64_t row, int64_t width) {
  const auto head = row / width, place = row % width;
  return head * width + place / 2 + (place % 2) * width / 2;
}

class GgufModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    write_decoder_folder(folder_.file("base"), "gqa");
    vlm_ = std::make_unique<Vlm>(load_vlm(folder_.file("base")));
  }
  at::Tensor weight(const std::string& name) const {
    return Checkpoint::open(vlm_->folder).tensor(name).to(at::kFloat);
  }

  TemporaryFolder folder_;
  std::unique_ptr<Vlm> vlm_;
  const std::string path_ = folder_.file("edited.gguf");
  const std::string query_ = "model.layers.1.self_attn.q_proj",
                    key_ = "model.layers.0.self_attn.k_proj",
                    down_ = "model.layers.0.mlp.down_proj";
};

TEST_F(GgufModelTest, HasTheMergedWeights) {
  PatchStack stack;
  stack.apply(*vlm_, gguf_patch(*vlm_, {query_, down_}, 2));
  GgufModelOptions options;
  options.type = GgufType::f32;
  uint64_t planned = 0, written = 0;
  options.begin = [&](uint64_t bytes) { planned = bytes; };
  options.written = [&](uint64_t bytes) { written += bytes; };
  const auto result = write_gguf_model(*vlm_, stack, path_, options);
  EXPECT_EQ(result.changed, 2);
  EXPECT_EQ(result.rounding.largest, 0);
  EXPECT_EQ(planned, written);

  GgufFile file(path_);
  EXPECT_EQ(file.size(), 2u * 9 + 3);  // two layers, embeddings, norm, and the frequencies
  EXPECT_EQ(file.string("general.architecture"), "llama");
  EXPECT_EQ(file.number<uint32_t>("llama.attention.head_count_kv"), 2u);
  EXPECT_EQ(file.number<uint32_t>("llama.context_length"), 48u);
  EXPECT_EQ(file.number<float>("llama.rope.freq_base"), 300.0f);
  EXPECT_TRUE(at::equal(file.tensor("token_embd.weight"), weight("model.embed_tokens.weight")));
  const auto& deltas = stack.patches()[0].deltas;
  EXPECT_TRUE(at::equal(file.tensor("blk.0.ffn_down.weight"),
                        weight(down_ + ".weight") + deltas[1].delta.materialized()));
  const auto query = weight(query_ + ".weight") + deltas[0].delta.materialized();
  const auto found = file.tensor("blk.1.attn_q.weight");
  for (int64_t row = 0; row < 16; ++row)
    EXPECT_TRUE(at::equal(found[row], query[source_row(row, 4)])) << row;
  const auto keys = weight(key_ + ".weight"), found_keys = file.tensor("blk.0.attn_k.weight");
  for (int64_t row = 0; row < 8; ++row)
    EXPECT_TRUE(at::equal(found_keys[row], keys[source_row(row, 4)])) << row;
  // A head of width 4 has two frequencies. The first wave is short; the second one, of 2 pi sqrt
  // 300 = 108.8 positions, is longer than the 16 trained ones, so that it is divided by 4.
  EXPECT_TRUE(at::allclose(file.tensor("rope_freqs.weight")[1], at::tensor(4.0f)));
}

// llama.cpp rotates the halves of a head in these decoders, so that no rows change places.
TEST(GgufDecoders, QwenKeepsTheOrderOfRows) {
  for (const std::string name : {"qwen2", "qwen3"}) {
    TemporaryFolder folder;
    const auto base = folder.file("base"), path = folder.file("model.gguf");
    write_decoder_folder(base, name);
    GgufModelOptions options;
    options.type = GgufType::f32;
    write_gguf_model(load_vlm(base), {}, path, options);
    GgufFile file(path);
    EXPECT_EQ(file.string("general.architecture"), name);
    EXPECT_EQ(file.number<uint32_t>(name + ".block_count"), 2u);
    const auto checkpoint = Checkpoint::open(base);
    const std::string query = "model.layers.1.self_attn.q_";
    EXPECT_TRUE(at::equal(file.tensor("blk.1.attn_q.weight"),
                          checkpoint.tensor(query + "proj.weight").to(at::kFloat)));
    if (name == "qwen2") {
      EXPECT_TRUE(at::equal(file.tensor("blk.1.attn_q.bias"),
                            checkpoint.tensor(query + "proj.bias").to(at::kFloat)));
    } else {
      EXPECT_TRUE(at::equal(file.tensor("blk.1.attn_q_norm.weight"),
                            checkpoint.tensor(query + "norm.weight").to(at::kFloat)));
      EXPECT_EQ(file.number<uint32_t>("qwen3.attention.key_length"), 6u);
    }
  }
}

TEST_F(GgufModelTest, UneditedModelsAndTypes) {
  const auto result = write_gguf_model(*vlm_, {}, path_);
  EXPECT_EQ(result.changed, 0);
  EXPECT_EQ(GgufFile(path_).type("blk.0.ffn_up.weight"), 1u);
  EXPECT_EQ(GgufFile(path_).type("blk.0.ffn_norm.weight"), 0u);
  EXPECT_EQ(GgufFile(path_).number<uint32_t>("general.file_type"), 1u);
  GgufModelOptions options;
  options.type = GgufType::q8_0;  // rows of 16 and 20 values
  EXPECT_THAT(write_gguf_model(*vlm_, {}, path_, options).notes.at(0), HasSubstr("multiple of 32"));
  options.type = std::nullopt;
  write_gguf_model(*vlm_, {}, path_, options);
  EXPECT_EQ(GgufFile(path_).type("blk.0.ffn_up.weight"), 0u);
}

TEST_F(GgufModelTest, ChangedTiedOutputLayersAreSeparated) {
  EXPECT_FALSE((write_gguf_model(*vlm_, {}, path_), GgufFile(path_).has("output.weight")));
  PatchStack stack;
  stack.apply(*vlm_, gguf_patch(*vlm_, {"lm_head"}, 0));
  GgufModelOptions options;
  options.type = GgufType::f32;
  EXPECT_EQ(write_gguf_model(*vlm_, stack, path_, options).notes.size(), 1u);
  GgufFile file(path_);
  const auto embeddings = weight("model.embed_tokens.weight");
  EXPECT_TRUE(at::equal(file.tensor("token_embd.weight"), embeddings));
  EXPECT_TRUE(at::equal(file.tensor("output.weight"),
                        embeddings + stack.patches()[0].deltas[0].delta.dense));
  EXPECT_THAT(error_of([&] {
                write_gguf_adapter(*vlm_, stack, path_, {1, 1e-3});
              }),
              HasSubstr("--to gguf"));
}

TEST_F(GgufModelTest, AdaptersHaveTheFactors) {
  PatchStack stack;
  stack.apply(*vlm_, gguf_patch(*vlm_, {down_, key_}, 1));
  const auto layers = write_gguf_adapter(*vlm_, stack, path_);
  ASSERT_EQ(layers.size(), 2u);
  GgufFile file(path_);
  EXPECT_EQ(file.size(), 4u);
  EXPECT_EQ(file.string("general.type"), "adapter");
  EXPECT_EQ(file.string("adapter.type"), "lora");
  EXPECT_EQ(file.number<float>("adapter.lora.alpha"), 2);
  const auto product = [&](const std::string& name) {
    const auto up = file.tensor(name + ".lora_b"), down = file.tensor(name + ".lora_a");
    EXPECT_EQ(down.size(0), 2);
    return at::matmul(up, down);
  };
  const auto& deltas = stack.patches()[0].deltas;
  EXPECT_TRUE(at::allclose(product("blk.0.ffn_down.weight"), deltas[0].delta.materialized()));
  const auto keys = product("blk.0.attn_k.weight"), expected = deltas[1].delta.materialized();
  for (int64_t row = 0; row < 8; ++row)
    EXPECT_TRUE(at::allclose(keys[row], expected[source_row(row, 4)], 1e-5, 1e-6)) << row;
}

TEST_F(GgufModelTest, SettingsThatLlamaCppLacksAreRefused) {
  const auto error_with = [&](const nlohmann::json& changes) {
    auto config = read_json(folder_.file("base/config.json"));
    config.update(changes);
    write_json(folder_.file("base/config.json"), config);
    return error_of([&] { write_gguf_model(*vlm_, {}, path_); });
  };
  EXPECT_THAT(error_with({{"hidden_act", "relu"}}), HasSubstr("hidden_act"));
  EXPECT_THAT(error_with({{"hidden_act", "silu"},
                          {"rope_parameters", {{"rope_type", "dynamic"}, {"factor", 2.0}}}}),
              HasSubstr("dynamic"));
  EXPECT_FALSE(fs::exists(path_));
}

TEST(GgufLlava, HasTwoFiles) {
  TemporaryFolder folder;
  testing::write_tiny_llava(folder.file("base"));
  const auto vlm = load_vlm(folder.file("base"));
  const std::string query = "language_model.model.layers.0.self_attn.q_proj",
                    projector = "multi_modal_projector.linear_2",
                    tower = "vision_tower.vision_model.encoder.layers.1.mlp.fc1";
  PatchStack stack;
  stack.apply(vlm, gguf_patch(vlm, {query, projector, tower}, 2));
  GgufModelOptions options;
  options.type = GgufType::f32;
  const auto path = folder.file("edited.gguf");
  const auto result = write_gguf_model(vlm, stack, path, options);
  EXPECT_EQ(result.changed, 3);
  EXPECT_EQ(result.projector, folder.file("edited-mmproj.gguf"));
  const auto& deltas = stack.patches()[0].deltas;
  const auto merged = [&](size_t i) {
    const auto& site = vlm.model->site(deltas[i].site);
    return vlm.model->weight(site).to(at::kFloat) + deltas[i].delta.materialized();
  };
  GgufFile language(path), vision(result.projector);
  EXPECT_EQ(language.size(), 3u * 9 + 3);  // with an output layer
  const auto found = language.tensor("blk.0.attn_q.weight"), rows = merged(0);
  for (int64_t row = 0; row < 32; ++row)
    EXPECT_TRUE(at::equal(found[row], rows[source_row(row, 8)])) << row;
  // Two of the tower's three blocks run.
  EXPECT_EQ(vision.size(), 2u * 16 + 5 + 4);
  EXPECT_EQ(vision.string("general.architecture"), "clip");
  EXPECT_EQ(vision.number<uint32_t>("clip.vision.block_count"), 2u);
  EXPECT_TRUE(at::equal(vision.tensor("mm.2.weight"), merged(1)));
  EXPECT_TRUE(at::equal(vision.tensor("v.blk.1.ffn_up.weight"), merged(2)));
  EXPECT_EQ(vision.tensor("v.patch_embd.weight").dim(), 4);
  EXPECT_THAT(error_of([&] { write_gguf_adapter(vlm, stack, path); }),
              HasSubstr("change the language model only"));
}

TEST(GgufSmolVlm, HasTwoFiles) {
  TemporaryFolder folder;
  testing::write_tiny_smolvlm(folder.file("base"));
  const auto vlm = load_vlm(folder.file("base"));
  const std::string key = "model.text_model.layers.1.self_attn.k_proj",
                    projector = "model.connector.modality_projection.proj",
                    tower = "model.vision_model.encoder.layers.1.mlp.fc2", output = "lm_head";
  PatchStack stack;
  stack.apply(vlm, gguf_patch(vlm, {key, projector, tower, output}, 2));
  GgufModelOptions options;
  options.type = GgufType::f32;
  const auto path = folder.file("edited.gguf");
  const auto result = write_gguf_model(vlm, stack, path, options);
  EXPECT_EQ(result.changed, 4);
  EXPECT_TRUE(result.notes.empty());
  const auto& deltas = stack.patches()[0].deltas;
  const auto merged = [&](size_t i) {
    const auto& site = vlm.model->site(deltas[i].site);
    return vlm.model->weight(site).to(at::kFloat) + deltas[i].delta.materialized();
  };
  GgufFile language(path), vision(result.projector);
  EXPECT_EQ(language.size(), 3u * 9 + 3);
  EXPECT_TRUE(at::equal(language.tensor("output.weight"), merged(3)));
  const auto found = language.tensor("blk.1.attn_k.weight"), rows = merged(0);
  for (int64_t row = 0; row < 16; ++row)
    EXPECT_TRUE(at::equal(found[row], rows[source_row(row, 8)])) << row;
  EXPECT_EQ(vision.size(), 2u * 16 + 5 + 1);  // two blocks, embeddings and norm, and the projection
  EXPECT_EQ(vision.string("clip.projector_type"), "idefics3");
  EXPECT_EQ(vision.number<uint32_t>("clip.vision.projector.scale_factor"), 2u);
  EXPECT_EQ(vision.number<uint32_t>("clip.vision.preproc_image_size"), 32u);
  EXPECT_EQ(vision.number<uint32_t>("clip.vision.projection_dim"), 32u);
  EXPECT_TRUE(at::equal(vision.tensor("mm.model.fc.weight"), merged(1)));
  EXPECT_TRUE(at::equal(vision.tensor("v.blk.1.ffn_down.weight"), merged(2)));
  options.type = GgufType::f16;
  write_gguf_model(vlm, stack, path, options);
  EXPECT_EQ(GgufFile(result.projector).type("v.patch_embd.weight"), 0u);

  // An adapter has the changes of the language model only.
  PatchStack adapted;
  adapted.apply(vlm, gguf_patch(vlm, {key}, 1));
  EXPECT_EQ(write_gguf_adapter(vlm, adapted, path).size(), 1u);
  EXPECT_TRUE(GgufFile(path).has("blk.1.attn_k.weight.lora_a"));
  EXPECT_THAT(error_of([&] { write_gguf_adapter(vlm, stack, path); }),
              HasSubstr("change the language model only"));
}

TEST(GgufSmolVlm, SaysThatLlamaCppAlwaysMakesTiles) {
  TemporaryFolder folder;
  testing::write_tiny_smolvlm(folder.file("base"));
  const auto file = folder.file("base/preprocessor_config.json");
  auto processor = read_json(file);
  processor["do_image_splitting"] = false;
  write_json(file, processor);
  const auto notes =
      write_gguf_model(load_vlm(folder.file("base")), {}, folder.file("a.gguf")).notes;
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], HasSubstr("tiles"));
}

TEST(GgufSmolVlm, ReadsTheSingleProcessorFileOfNewerReleases) {
  TemporaryFolder folder;
  testing::write_tiny_smolvlm(folder.file("base"));
  const auto old = folder.file("base/preprocessor_config.json");
  const auto one = folder.file("base/processor_config.json");
  auto processor = read_json(one);
  processor["image_processor"] = read_json(old);
  write_json(one, processor);
  std::filesystem::remove(old);
  const auto vlm = load_vlm(folder.file("base"));
  EXPECT_GT(write_gguf_model(vlm, {}, folder.file("a.gguf")).tensors, 0);
}

class GgufArchitectures : public ::testing::TestWithParam<testing::TinyModel> {};

TEST_P(GgufArchitectures, ThoseOfLlamaCppAreWritten) {
  TemporaryFolder folder;
  GetParam().write(folder.file("base"), 0);
  const auto vlm = load_vlm(folder.file("base"));
  const auto error = error_of([&] { write_gguf_model(vlm, {}, folder.file("a.gguf")); });
  const std::string name = GetParam().name;
  if (name == "llama" || name == "llava" || name == "smolvlm" || name == "qwen3")
    EXPECT_EQ(error, "no error");
  else if (name == "blip2" || name == "minigpt4")
    EXPECT_THAT(error, HasSubstr("llama.cpp does not run"));
  else
    EXPECT_THAT(error, HasSubstr("are not implemented"));
}

INSTANTIATE_TEST_SUITE_P(Folders, GgufArchitectures, ::testing::ValuesIn(testing::kTinyModels),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace emend
