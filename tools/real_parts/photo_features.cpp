#include "photo_features.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "io/error.h"
#include "io/files/path.h"
#include "io/json/json.h"
#include "io/progress.h"
#include "io/runtime.h"

namespace emend::photos {
namespace {

namespace fs = std::filesystem;
constexpr const char* kFeaturesPlace = "photos::features";
constexpr size_t kPhotosOfFile = 256;
constexpr size_t kBatch = 8;

std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> files;
  if (!is_folder(folder)) return files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

std::shared_ptr<const SafetensorsFile> open_features(const std::string& path,
                                                     const std::string& tower) {
  auto file = SafetensorsFile::open(path);
  const auto found = file->metadata().find("resnet50");
  if (found == file->metadata().end() || found->second != tower)
    throw Error(kFeaturesPlace, fmt::format("'{}' has features of another vision tower", path),
                "compute the features again, into another folder");
  return file;
}

std::vector<std::pair<std::string, at::Tensor>> features_of(const Vlm& vlm,
                                                            const std::vector<Photo>& photos,
                                                            size_t begin, size_t end) {
  at::NoGradGuard no_grad;
  const auto& model = *vlm.model;
  Batch batch;
  std::vector<at::Tensor> pixels;
  for (size_t i = begin; i < end; ++i) {
    pixels.push_back(vlm.processor.pixels(read_image(photos[i].file)));
    batch.rows.push_back(vlm.processor.row("a", static_cast<int64_t>(i - begin)));
  }
  batch.pixels = at::stack(pixels);
  auto pass = model.collate(batch);
  pass.batched_pictures = true;
  model.run(pass, model.first_stage(Module::connector) - 1);
  const auto states = pass.hidden.to(at::kBFloat16);
  std::vector<std::pair<std::string, at::Tensor>> result;
  for (size_t i = begin; i < end; ++i)
    result.emplace_back(photos[i].name, states[static_cast<int64_t>(i - begin)].clone());
  return result;
}

}  // namespace

std::map<std::string, std::string> read_parts(const std::string& model) {
  const auto file = model + "/parts.json";
  if (!is_file(file))
    throw Error(kFeaturesPlace, fmt::format("'{}' has no parts.json", model),
                "make the folder with tools/real_parts/make_photo_model.py");
  const auto json = read_json(file);
  std::map<std::string, std::string> parts;
  for (const char* part : {"resnet50", "smollm2"})
    parts[part] = json_get<std::string>(json, part, file);
  return parts;
}

void compute_features(const Vlm& vlm, const std::vector<Photo>& photos, const std::string& folder,
                      const std::map<std::string, std::string>& parts) {
  if (vlm.model->num_image_tokens() == 0)
    throw Error(kFeaturesPlace, fmt::format("'{}' is a text-only model", vlm.folder),
                "use a folder of tools/real_parts/make_photo_model.py");
  make_folders(folder);
  const auto files = files_of(folder);
  std::set<std::string> there;
  for (const auto& path : files) {
    const auto file = open_features(path, parts.at("resnet50"));
    for (const auto& [name, info] : file->tensors()) there.insert(name);
  }
  std::vector<Photo> left;
  for (const auto& photo : photos)
    if (there.count(photo.name) == 0) left.push_back(photo);
  Progress progress("photos", static_cast<int64_t>(photos.size()),
                    static_cast<int64_t>(photos.size() - left.size()));
  size_t number = files.size();
  for (size_t begin = 0; begin < left.size(); begin += kPhotosOfFile) {
    std::vector<std::pair<std::string, at::Tensor>> tensors;
    const auto end = std::min(left.size(), begin + kPhotosOfFile);
    for (size_t i = begin; i < end; i += kBatch) {
      if (InterruptGuard::interrupted()) return;
      const auto some = features_of(vlm, left, i, std::min(end, i + kBatch));
      tensors.insert(tensors.end(), some.begin(), some.end());
      progress.advance(static_cast<int64_t>(some.size()));
    }
    write_safetensors(fmt::format("{}/{:04}.safetensors", folder, number++), tensors,
                      {{"format", "pt"}, {"resnet50", parts.at("resnet50")}});
  }
}

PhotoFeatures::PhotoFeatures(const std::string& folder,
                             const std::map<std::string, std::string>& parts,
                             const std::vector<std::vector<Photo>>& needed) {
  for (const auto& path : files_of(folder)) {
    const auto file = open_features(path, parts.at("resnet50"));
    for (const auto& [name, info] : file->tensors()) file_of_[name] = file;
  }
  for (const auto& photos : needed)
    for (const auto& photo : photos)
      if (file_of_.count(photo.name) == 0)
        throw Error(kFeaturesPlace, fmt::format("'{}' has no features of {}", folder, photo.name),
                    "run `emend-photo-model features` to its end");
}

at::Tensor PhotoFeatures::at(const Photo& photo) const {
  return file_of_.at(photo.name)->tensor(photo.name);
}

at::Tensor PhotoFeatures::stack(const std::vector<const Photo*>& photos) const {
  std::vector<at::Tensor> all;
  for (const auto* photo : photos) all.push_back(at(*photo));
  return at::stack(all).to(at::kFloat);
}

}  // namespace emend::photos
