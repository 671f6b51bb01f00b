#include "exports/gguf/gguf_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "exports/checkpoint_stream.h"
#include "exports/gguf/gguf_names.h"
#include "exports/gguf/gguf_source.h"
#include "exports/gguf/gguf_tokenizer.h"
#include "exports/gguf/q8_0.h"
#include "exports/weight_changes.h"
#include "io/error.h"
#include "models/architectures/architecture.h"

namespace emend {
namespace {

constexpr const char* kGgufModelPlace = "exports::gguf_model";

GgufType type_of(at::ScalarType dtype) {
  if (dtype == at::kHalf) return GgufType::f16;
  return dtype == at::kBFloat16 ? GgufType::bf16 : GgufType::f32;
}

// The tensors of the two files: of the language model, and of vision tower and projector.
class GgufWeights {
 public:
  GgufWeights(const Vlm& vlm, const GgufSource& source, const PatchStack& stack, GgufType type,
              GgufModel& result)
      : source_(source), type_(type), result_(result), stream_(vlm.folder) {
    auto changes =
        stack.patches().empty() ? std::map<std::string, WeightDelta>() : weight_changes(stack);
    const auto architecture = architecture_of(source.json);
    for (const auto& stored : stream_.checkpoint().names()) {
      const auto name = architecture.names(stored);
      if (source_.is_unused(name)) continue;
      const auto change = take_change(changes, name);
      const auto& shape = stream_.checkpoint().info(stored).shape;
      const auto weight = [this, stored] { return stream_.read(stored); };
      if (change)
        merge(name, shape, weight, *change);
      else if (name != source_.output_layer() + ".weight" || !source_.language.tied)
        add(name, shape, weight);
    }
    for (const auto& [site, change] : changes) {
      if (site != source_.output_layer() || !source_.language.tied)
        refuse_change(vlm.folder, site);
      const auto weight = vlm.model->weight(vlm.model->site(site));
      merge(
          site + ".weight", weight.sizes().vec(), [weight] { return weight; }, change);
      result_.notes.push_back(
          fmt::format("{} was tied to the embeddings; it now has a separate weight", site));
    }
    if (const auto divisors = source_.frequency_divisors())
      language_.push_back({"rope_freqs.weight", GgufType::f32, divisors->sizes().vec(),
                           [divisors = *divisors] { return divisors; }});
  }

  const std::vector<GgufTensor>& language() const { return language_; }
  const std::vector<GgufTensor>& vision() const { return vision_; }

 private:
  // llama.cpp reads the positions of a tower in fp32. It convolves the patches of LLaVA in fp16 or
  // fp32; its converter writes those of SmolVLM in fp32.
  GgufType type_for(const std::string& written, const std::vector<int64_t>& shape) {
    if (shape.size() < 2 || written == "v.position_embd.weight") return GgufType::f32;
    if (shape.size() > 2)
      return source_.llava && type_ == GgufType::f16 ? GgufType::f16 : GgufType::f32;
    if (type_ != GgufType::q8_0 || shape.back() % kQ8Block == 0) return type_;
    result_.notes.push_back(fmt::format(
        "{} is fp16, because q8_0 needs rows of a multiple of {} values", written, kQ8Block));
    return GgufType::f16;
  }

  GgufType add(const std::string& name, const std::vector<int64_t>& shape,
               const std::function<at::Tensor()>& values) {
    const auto language = source_.language_name(name);
    const auto written = language ? gguf_llama_name(*language) : gguf_clip_name(name);
    if (!written)
      throw Error(kGgufModelPlace, fmt::format("llama.cpp has no tensor for '{}'", name),
                  "use --to hf");
    const auto type = type_for(*written, shape);
    if (!language) {
      vision_.push_back({*written, type, shape, values});
      return type;
    }
    language_.push_back({*written, type, shape, [this, name = *language, values] {
                           return source_.in_llama_cpp_order(name, values());
                         }});
    return type;
  }

  void merge(const std::string& name, const std::vector<int64_t>& shape,
             const std::function<at::Tensor()>& weight, const WeightDelta& change) {
    const auto type = std::make_shared<GgufType>();
    *type = add(name, shape, [this, name, weight, change, type] {
      const auto merged = merged_weight(weight(), change);
      result_.rounding.add(name, gguf_rounded(merged.weight, *type) - merged.weight, merged.change);
      return merged.weight;
    });
    ++result_.changed;
  }

  const GgufSource& source_;
  const GgufType type_;
  GgufModel& result_;
  CheckpointStream stream_;
  std::vector<GgufTensor> language_, vision_;
};

// "edited.gguf" -> "edited-mmproj.gguf"
std::string projector_path(const std::string& output) {
  std::filesystem::path path(output);
  return path.replace_filename(path.stem().string() + "-mmproj" + path.extension().string())
      .string();
}

}  // namespace

GgufModel write_gguf_model(const Vlm& vlm, const PatchStack& stack, const std::string& output,
                           const GgufModelOptions& options) {
  const GgufSource source(vlm.folder);
  check_gguf_output(output);
  GgufModel result;
  if (source.has_vision()) {
    result.projector = projector_path(output);
    check_gguf_output(result.projector);
  }
  if (source.smolvlm && !source.processor->split)
    result.notes.push_back(
        "llama.cpp divides every picture into tiles, which the folder's processor does not "
        "(do_image_splitting is false); answers can differ");
  const auto type = options.type.value_or(type_of(vlm.stored_dtype));
  auto metadata = source.language_metadata(type);
  for (auto& entry : gguf_tokenizer(vlm.folder, source.language.vocabulary, options.pre_tokenizer))
    metadata.push_back(std::move(entry));
  const GgufWeights weights(vlm, source, stack, type, result);
  for (const auto* tensors : {&weights.language(), &weights.vision()}) {
    result.tensors += static_cast<int64_t>(tensors->size());
    for (const auto& tensor : *tensors) result.bytes += gguf_bytes(tensor);
  }
  if (options.begin) options.begin(result.bytes);
  if (source.has_vision())
    stream_gguf(result.projector, source.projector_metadata(type), weights.vision(),
                options.written);
  stream_gguf(output, metadata, weights.language(), options.written);
  return result;
}

}  // namespace emend
