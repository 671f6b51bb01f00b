#include "editing/training/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "editing/targets/target_modules.h"
#include "io/error.h"
#include "io/hash.h"
#include "io/json/json.h"
#include "io/tensors/safetensors.h"

namespace emend {
namespace {

constexpr const char* kCheckpointFormat = "emend-editor";
// Format 2 has a checksum. Format 1 can also be read.
constexpr const char* kCheckpointVersion = "2";
constexpr const char* kWithoutChecksum = "1";
// In a model's folder: editors/EDITOR.safetensors or editors/EDITOR-MODULE.safetensors.
constexpr const char* kFolder = "editors";
constexpr const char* kEnding = ".safetensors";
// Tensors whose names begin with this stay float32: keys of calibration questions.
constexpr const char* kFloat32Prefix = "calibration";

[[noreturn]] void reject_checkpoint(const std::string& path, const std::string& what) {
  throw Error("editing::checkpoint", fmt::format("'{}' {}", path, what),
              "train the editor again with `emend train`, or fetch an intact copy");
}

std::string metadata_of(const SafetensorsFile& file, const char* name) {
  auto found = file.metadata().find(name);
  return found == file.metadata().end() ? std::string() : found->second;
}

// XXH3-128 of the description and of the stored bytes of the tensors, in the order of their names.
std::string checksum_of(const std::string& description,
                        const std::map<std::string, at::Tensor>& tensors) {
  Hasher hash;
  hash.update(description);
  for (const auto& [name, tensor] : tensors) {
    const auto flat = tensor.contiguous();
    hash.update(name);
    for (int64_t size : flat.sizes()) hash.update(&size, sizeof size);
    hash.update(flat.data_ptr(), flat.nbytes());
  }
  return hash.hex();
}

// Everything but the tensors.
EditorCheckpoint description_of(const SafetensorsFile& file, const std::string& path) {
  if (metadata_of(file, "format") != kCheckpointFormat)
    throw Error("editing::checkpoint", fmt::format("'{}' is not a trained editor", path),
                "train an editor with `emend train -o CHECKPOINT`");
  const auto version = metadata_of(file, "version");
  if (version != kCheckpointVersion && version != kWithoutChecksum)
    throw Error("editing::checkpoint",
                fmt::format("'{}' has format {}, but this program reads {} and {}", path,
                            version.substr(0, 100), kWithoutChecksum, kCheckpointVersion),
                "use a newer emend");
  const auto description = parse_json(metadata_of(file, "editor"), path + " (description)");

  EditorCheckpoint checkpoint;
  checkpoint.editor = json_get<std::string>(description, "editor", path);
  checkpoint.base = json_get<std::string>(description, "base", path);
  checkpoint.settings = json_get<nlohmann::json>(description, "settings", path);
  checkpoint.training = json_get<nlohmann::json>(description, "training", path);
  checkpoint.made_by = json_get<std::string>(description, "made_by", path);
  for (const auto& [name, info] : file.tensors())
    if (info.dtype == at::kBFloat16) checkpoint.dtype = at::kBFloat16;
  return checkpoint;
}

}  // namespace

void save_checkpoint(const std::string& path, const EditorCheckpoint& checkpoint,
                     at::ScalarType dtype) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (!at::isfinite(tensor).all().item<bool>())
      throw Error("editing::checkpoint", fmt::format("tensor '{}' is not finite", name),
                  "lower the learning rate (--set lr=...)");
    const auto stored = name.starts_with(kFloat32Prefix) ? at::kFloat : dtype;
    tensors[name] = tensor.detach().to(at::kCPU, stored).contiguous();
  }
  nlohmann::json description = {{"editor", checkpoint.editor},
                                {"base", checkpoint.base},
                                {"settings", checkpoint.settings},
                                {"training", checkpoint.training},
                                {"made_by", checkpoint.made_by}};
  const auto text = description.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  write_safetensors(path, {tensors.begin(), tensors.end()},
                    {{"format", kCheckpointFormat},
                     {"version", kCheckpointVersion},
                     {"editor", text},
                     {"checksum", checksum_of(text, tensors)}});
}

EditorCheckpoint describe_checkpoint(const std::string& path) {
  return description_of(*SafetensorsFile::open(path), path);
}

EditorCheckpoint load_checkpoint(const std::string& path, const std::string& editor,
                                 const std::string& base) {
  return load_checkpoint(path, std::vector<std::string>{editor}, base);
}

EditorCheckpoint load_checkpoint(const std::string& path, const std::vector<std::string>& editors,
                                 const std::string& base) {
  auto file = SafetensorsFile::open(path);
  auto checkpoint = description_of(*file, path);
  if (std::find(editors.begin(), editors.end(), checkpoint.editor) == editors.end())
    throw Error("editing::checkpoint",
                fmt::format("'{}' is a trained '{}', not '{}'", path, checkpoint.editor,
                            fmt::join(editors, "' or '")),
                fmt::format("use it with --editor {}", checkpoint.editor));
  if (checkpoint.base != base)
    throw Error("editing::checkpoint",
                fmt::format("'{}' was trained for the base model {}, but this model is {}", path,
                            checkpoint.base, base),
                "load that model, or train the editor for this model with `emend train`");
  std::map<std::string, at::Tensor> stored;
  for (const auto& [name, info] : file->tensors()) {
    if (info.dtype != at::kFloat && info.dtype != at::kBFloat16)
      reject_checkpoint(
          path, fmt::format("has a tensor '{}' that is neither float32 nor bfloat16", name));
    // A copy is safe even if the file is truncated later.
    stored[name] = file->tensor(name).clone();
    auto tensor = stored[name].to(at::kFloat);
    if (!at::isfinite(tensor).all().item<bool>())
      reject_checkpoint(path, fmt::format("has a tensor '{}' that is not finite", name));
    checkpoint.tensors[name] = tensor;
  }
  if (metadata_of(*file, "version") == kCheckpointVersion &&
      checksum_of(metadata_of(*file, "editor"), stored) != metadata_of(*file, "checksum"))
    reject_checkpoint(path, "was changed after it was saved (its checksum differs)");
  return checkpoint;
}

std::vector<std::string> standard_checkpoints(const std::string& folder,
                                              const std::string& editor) {
  namespace fs = std::filesystem;
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fs::path(folder) / kFolder, error)) {
    const auto name = entry.path().stem().string();
    if (entry.path().extension() == kEnding && (name == editor || name.starts_with(editor + "-")))
      paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string find_checkpoint(const Vlm& vlm, const std::string& editor, const std::string& module) {
  namespace fs = std::filesystem;
  const auto name = module.empty() ? editor : editor + "-" + module;
  const auto folder = fs::path(vlm.folder) / kFolder;
  auto path = folder / (name + kEnding);
  std::error_code error;
  if (fs::is_regular_file(path, error)) return path.string();
  // Earlier versions named the files by today's aliases.
  for (const auto& [alias, canonical] : module_aliases())
    if (canonical == module)
      if (auto older = folder / (editor + "-" + alias + kEnding); fs::is_regular_file(older, error))
        return older.string();
  const auto of_module = [&](const char* pattern) {
    return module.empty() ? std::string() : fmt::format(fmt::runtime(pattern), module);
  };
  throw Error("editing::checkpoint",
              fmt::format("editor '{}' is not trained{} for this model: there is no {}", editor,
                          of_module(" for module '{}'"), path.string()),
              fmt::format("train it: emend train -m {} --editor {}{} --suite scenes -o CHECKPOINT; "
                          "then --set checkpoint=CHECKPOINT{}",
                          vlm.folder, editor, of_module(" --module {}"),
                          editor == "ike" ? "; or use no demonstrations: --set ike.k=0" : ""));
}

void require_module(const std::string& module, const std::string& trained,
                    const std::string& file) {
  if (module != trained)
    throw Error("editing::checkpoint",
                fmt::format("'{}' was trained for module '{}', not '{}'", file, trained, module),
                fmt::format("use it with --module {}", trained));
}

}  // namespace emend
