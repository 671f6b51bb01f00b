#include "models/convert/model_folder.h"

#include <fmt/format.h>

#include <filesystem>

#include "io/error.h"
#include "io/files/atomic_directory.h"
#include "io/files/file.h"
#include "io/files/path.h"
#include "io/json/json.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// All files that define a tokenizer.
constexpr const char* kTokenizer[] = {"tokenizer.json",
                                      "tokenizer.model",
                                      "tokenizer_config.json",
                                      "special_tokens_map.json",
                                      "added_tokens.json",
                                      "vocab.json",
                                      "merges.txt"};

}  // namespace

uint64_t ModelFolder::bytes() const {
  uint64_t bytes = 0;
  for (const auto& tensor : tensors) {
    uint64_t count = c10::elementSize(tensor.dtype);
    for (auto extent : tensor.shape) count *= static_cast<uint64_t>(extent);
    bytes += count;
  }
  return bytes;
}

void ModelFolder::write(const std::string& output, const WriteOptions& options) const {
  AtomicDirectory folder(output);
  const auto needed = bytes();
  std::error_code error;
  const auto space = fs::space(folder.path(), error);
  if (!error && space.available < needed)
    throw Error("models::convert",
                fmt::format("'{}' needs {:.1f} GB, but only {:.1f} GB are free", output,
                            needed / 1e9, space.available / 1e9),
                "free some space, write to another disk, or use --dtype bf16");
  if (options.begin) options.begin(needed);
  write_json(folder.file("config.json"), config);
  write_json(folder.file("preprocessor_config.json"), preprocessor);
  for (const char* name : kTokenizer)
    if (const auto from = fs::path(tokenizer) / name; path_exists(from))
      write_file(folder.file(name), read_file(from.string()));
  stream_checkpoint(folder.path(), tensors, {{"format", "pt"}}, options.shard_bytes,
                    options.written);
  folder.commit();
}

nlohmann::json square_preprocessor(int64_t side) {
  return {{"image_processor_type", "BlipImageProcessor"},
          {"do_convert_rgb", true},
          {"do_resize", true},
          {"size", {{"height", side}, {"width", side}}},
          {"resample", 3},
          {"do_rescale", true},
          {"rescale_factor", 1.0 / 255},
          {"do_normalize", true},
          {"image_mean", {0.48145466, 0.4578275, 0.40821073}},
          {"image_std", {0.26862954, 0.26130258, 0.27577711}}};
}

}  // namespace emend
