#include "exports/gguf/gguf_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "exports/gguf/gguf_names.h"
#include "exports/gguf/gguf_tokenizer.h"
#include "exports/gguf/q8_0.h"
#include "exports/weight_changes.h"
#include "io/error.h"
#include "models/architectures/architecture.h"
#include "models/config/json_fields.h"
#include "models/config/llama_config.h"
#include "nn/rotary.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGgufModelPlace = "exports::gguf_model";

// Numbers of the file types in llama.cpp, by the type of most tensors.
uint32_t file_type(GgufType type) {
  switch (type) {
    case GgufType::f16:
      return 1;
    case GgufType::q8_0:
      return 7;
    case GgufType::bf16:
      return 32;
    case GgufType::f32:
      break;
  }
  return 0;
}

GgufType type_of(at::ScalarType dtype) {
  if (dtype == at::kHalf) return GgufType::f16;
  return dtype == at::kBFloat16 ? GgufType::bf16 : GgufType::f32;
}

[[noreturn]] void refuse_setting(const std::string& setting) {
  throw Error(kGgufModelPlace, fmt::format("llama.cpp cannot run this model: {}", setting),
              "use --to hf");
}

// A LlamaForCausalLM folder that llama.cpp can run.
struct GgufSource {
  nlohmann::json json;
  LlamaConfig config;
  int64_t context = 0;  // max_position_embeddings

  explicit GgufSource(const std::string& folder)
      : json(read_json_object((fs::path(folder) / "config.json").string())) {
    const JsonFields fields("config.json", json);
    check_architecture(fields);
    config = LlamaConfig::parse(fields);
    context = fields.integer("max_position_embeddings", config.max_positions, 2, kMaxDimension);
    if (config.activation != Activation::silu) refuse_setting("its hidden_act is not silu");
    using Kind = RotaryConfig::Kind;
    const auto kind = config.rotary.kind;
    if (kind != Kind::plain && kind != Kind::linear && kind != Kind::llama3)
      throw Error(kGgufModelPlace,
                  "GGUF files with rotary embeddings of the types dynamic, yarn and longrope are "
                  "not implemented",
                  "use --to hf, and convert the folder with llama.cpp's script");
  }

 private:
  static void check_architecture(const JsonFields& fields) {
    const auto type = fields.string("model_type").value_or("");
    const auto name = fields.first_string("architectures").value_or(type);
    if (name == "LlamaForCausalLM" || name == "llama") return;
    if (type == "blip-2" || type == "minigpt4")
      throw Error(kGgufModelPlace, fmt::format("llama.cpp does not run {}", name),
                  "use --to hf, or serve the patch with `emend serve`");
    throw Error(kGgufModelPlace,
                fmt::format("GGUF files of {} are not implemented; LlamaForCausalLM is", name),
                "use --to hf, and convert the folder with llama.cpp's script");
  }
};

// Reorders the rows of a query or key projection; returns other tensors as they are.
at::Tensor in_llama_cpp_order(const std::string& name, const at::Tensor& rows,
                              const LlamaConfig& config) {
  if (is_rotary_query(name)) return neighboring_rotary_rows(rows, config.heads);
  if (is_rotary_key(name)) return neighboring_rotary_rows(rows, config.key_value_heads);
  return rows;
}

std::string base_name(const std::string& folder) {
  auto path = fs::weakly_canonical(folder);
  if (path.filename().empty()) path = path.parent_path();
  return path.filename().string();
}

GgufMetadata model_metadata(const GgufSource& source, const std::string& folder, GgufType type) {
  const auto& c = source.config;
  const auto number = [](int64_t value) { return static_cast<uint32_t>(value); };
  GgufMetadata metadata = {{"general.architecture", "llama"},
                           {"general.type", "model"},
                           {"general.name", base_name(folder)},
                           {"general.file_type", file_type(type)},
                           {"general.quantization_version", uint32_t{2}},
                           {"llama.vocab_size", number(c.vocabulary)},
                           {"llama.context_length", number(source.context)},
                           {"llama.embedding_length", number(c.hidden)},
                           {"llama.block_count", number(c.layers)},
                           {"llama.feed_forward_length", number(c.intermediate)},
                           {"llama.attention.head_count", number(c.heads)},
                           {"llama.attention.head_count_kv", number(c.key_value_heads)},
                           {"llama.attention.key_length", number(c.head_width)},
                           {"llama.attention.value_length", number(c.head_width)},
                           {"llama.attention.layer_norm_rms_epsilon", static_cast<float>(c.eps)},
                           {"llama.rope.dimension_count", number(c.head_width)},
                           {"llama.rope.freq_base", static_cast<float>(c.rotary.theta)}};
  if (c.rotary.kind == RotaryConfig::Kind::linear) {
    metadata.emplace_back("llama.rope.scaling.type", "linear");
    metadata.emplace_back("llama.rope.scaling.factor", static_cast<float>(c.rotary.factor));
  }
  return metadata;
}

// What llama.cpp divides the frequencies of plain rotary embeddings by.
at::Tensor frequency_divisors(const RotaryConfig& config) {
  auto plain = config;
  plain.kind = RotaryConfig::Kind::plain;
  return Rotary(plain).frequencies(1) / Rotary(config).frequencies(1);
}

class GgufWeights {
 public:
  GgufWeights(const Vlm& vlm, const GgufSource& source, const PatchStack& stack, GgufType type,
              GgufModel& result)
      : config_(source.config),
        type_(type),
        result_(result),
        checkpoint_(Checkpoint::open(vlm.folder)) {
    auto changes =
        stack.patches().empty() ? std::map<std::string, WeightDelta>() : weight_changes(stack);
    const auto architecture = architecture_of(source.json);
    for (const auto& stored : checkpoint_.names()) {
      const auto name = architecture.names(stored);
      if (name.ends_with(".rotary_emb.inv_freq")) continue;  // in folders of old releases
      const auto site = name.ends_with(".weight") ? name.substr(0, name.size() - 7) : std::string();
      const auto change = changes.find(site);
      if (change == changes.end()) {
        if (name == "lm_head.weight" && config_.tied) continue;
        add(name, checkpoint_.info(stored).shape, [this, stored] { return read(stored); });
        continue;
      }
      merge(
          name, checkpoint_.info(stored).shape, [this, stored] { return read(stored); },
          change->second);
      changes.erase(change);
    }
    for (const auto& [site, change] : changes) {  // a tied output layer
      const auto weight = vlm.model->weight(vlm.model->site(site));
      merge(
          site + ".weight", weight.sizes().vec(), [weight] { return weight; }, change);
      result_.notes.push_back(
          fmt::format("{} was tied to the embeddings; it has a weight of its own now", site));
    }
    if (config_.rotary.kind == RotaryConfig::Kind::llama3) {
      const auto divisors = frequency_divisors(config_.rotary);
      tensors_.push_back({"rope_freqs.weight", GgufType::f32, divisors.sizes().vec(),
                          [divisors] { return divisors; }});
    }
  }

  const std::vector<GgufTensor>& tensors() const { return tensors_; }

 private:
  // Releases the pages of the tensor that was read before, which is written now.
  at::Tensor read(const std::string& stored) {
    if (!read_.empty()) checkpoint_.release_pages(read_);
    read_ = stored;
    return checkpoint_.tensor(stored);
  }

  GgufType type_for(const std::string& name, const std::vector<int64_t>& shape) {
    if (shape.size() < 2) return GgufType::f32;
    if (type_ != GgufType::q8_0 || shape.back() % kQ8Block == 0) return type_;
    result_.notes.push_back(fmt::format(
        "{} is fp16, because q8_0 needs rows of a multiple of {} values", name, kQ8Block));
    return GgufType::f16;
  }

  void add(const std::string& name, const std::vector<int64_t>& shape,
           std::function<at::Tensor()> values) {
    const auto written = gguf_llama_name(name);
    if (!written)
      throw Error(kGgufModelPlace, fmt::format("llama.cpp has no tensor for '{}'", name),
                  "use --to hf");
    tensors_.push_back(
        {*written, type_for(*written, shape), shape, [this, name, values = std::move(values)] {
           return in_llama_cpp_order(name, values(), config_);
         }});
  }

  void merge(const std::string& name, const std::vector<int64_t>& shape,
             const std::function<at::Tensor()>& weight, const WeightDelta& change) {
    const auto type = type_for(name, shape);
    add(name, shape, [this, name, weight, change, type] {
      const auto delta = change.materialized().to(at::kCPU);
      const auto merged = weight().to(at::kCPU, at::kFloat) + delta;
      note_rounding(name, gguf_rounded(merged, type) - merged, delta);
      return merged;
    });
    ++result_.changed;
  }

  void note_rounding(const std::string& name, const at::Tensor& error, const at::Tensor& delta) {
    const auto size = delta.norm().item<double>();
    const auto rounding = size > 0 ? error.norm().item<double>() / size : 0;
    if (rounding < result_.rounding) return;
    result_.rounding = rounding;
    result_.rounded = *gguf_llama_name(name);
  }

  const LlamaConfig config_;
  const GgufType type_;
  GgufModel& result_;
  Checkpoint checkpoint_;
  std::vector<GgufTensor> tensors_;
  std::string read_;
};

at::Tensor with_rank(const at::Tensor& factor, int64_t dim, int64_t rank) {
  auto missing = factor.sizes().vec();
  missing[dim] = rank - factor.size(dim);
  return missing[dim] > 0 ? at::cat({factor, at::zeros(missing, factor.options())}, dim) : factor;
}

}  // namespace

GgufModel write_gguf_model(const Vlm& vlm, const PatchStack& stack, const std::string& output,
                           const GgufModelOptions& options) {
  const GgufSource source(vlm.folder);
  check_gguf_output(output);
  const auto type = options.type.value_or(type_of(vlm.stored_dtype));
  auto metadata = model_metadata(source, vlm.folder, type);
  for (auto& entry : gguf_tokenizer(vlm.folder, source.config.vocabulary, options.pre_tokenizer))
    metadata.push_back(std::move(entry));
  GgufModel result;
  const GgufWeights weights(vlm, source, stack, type, result);
  result.tensors = static_cast<int64_t>(weights.tensors().size());
  for (const auto& tensor : weights.tensors()) result.bytes += gguf_bytes(tensor);
  if (options.begin) options.begin(result.bytes);
  stream_gguf(output, metadata, weights.tensors(), options.written);
  return result;
}

std::vector<AdaptedLayer> write_gguf_adapter(const Vlm& vlm, const PatchStack& stack,
                                             const std::string& output,
                                             const LowRankOptions& options) {
  const GgufSource source(vlm.folder);
  check_gguf_output(output);
  std::vector<AdaptedLayer> layers;
  std::vector<LowRankFactors> factors;
  int64_t rank = 0;
  for (const auto& [site, change] : weight_changes(stack)) {
    if (site == "lm_head" && source.config.tied)
      throw Error(kGgufModelPlace,
                  "the patch changes the output layer, whose weight is that of the embeddings in "
                  "llama.cpp, so that an adapter cannot change it alone",
                  "use --to gguf, which gives the layer a weight of its own");
    factors.push_back(factors_of(site, change, options));
    layers.push_back({site, factors.back().down.size(0), factors.back().error});
    rank = std::max(rank, layers.back().rank);
  }
  std::vector<GgufTensor> tensors;
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto name = layers[i].site + ".weight";
    const auto written = gguf_llama_name(name);
    if (!written)
      throw Error(kGgufModelPlace, fmt::format("llama.cpp has no tensor for '{}'", name),
                  "use --to hf");
    const auto down = with_rank(factors[i].down, 0, rank);
    const auto up = in_llama_cpp_order(name, with_rank(factors[i].up, 1, rank), source.config);
    for (const auto& [ending, factor] : {std::pair{".lora_a", down}, std::pair{".lora_b", up}})
      tensors.push_back({*written + ending, GgufType::f32, factor.sizes().vec(),
                         [factor = factor] { return factor; }});
  }
  const GgufMetadata metadata = {{"general.architecture", "llama"},
                                 {"general.type", "adapter"},
                                 {"general.name", base_name(vlm.folder) + " edits"},
                                 {"general.file_type", file_type(GgufType::f32)},
                                 {"general.quantization_version", uint32_t{2}},
                                 {"adapter.type", "lora"},
                                 {"adapter.lora.alpha", static_cast<float>(rank)}};
  stream_gguf(output, metadata, tensors);
  return layers;
}

}  // namespace emend
