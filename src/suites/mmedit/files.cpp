#include "suites/mmedit/files.h"

#include <fmt/format.h>

#include <filesystem>

#include "io/error.h"
#include "io/json/json.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
constexpr const char* kFilesPlace = "suites::mmedit";

struct Annotations {
  const char *suite, *split;
  std::vector<const char*> files;  // relative to the folder of the dataset
};

const std::vector<Annotations>& known() {
  static const std::vector<Annotations> all = {
      {"e-vqa", "eval", {"vqa/vqa_eval.json", "vqa_eval.json"}},
      {"e-vqa", "train", {"vqa/vqa_train.json", "vqa_train.json"}},
      {"e-ic", "eval", {"caption/caption_eval_edit.json", "caption_eval_edit.json"}},
      {"e-ic", "train", {"caption/caption_train_edit.json", "caption_train_edit.json"}},
      {"vlkeb", "eval", {"eval.json"}},
      {"vlkeb", "train", {"train.json"}},
      {"vlkeb", "one-hop", {"eval_edit_onehop.json"}},
      {"vlkeb", "multi-hop", {"eval_multihop.json"}},
      {"photo-vqa", "eval", {"eval.json"}},
      {"photo-vqa", "near", {"near.json"}},
      {"photo-vqa", "train", {"train.json"}},
      {"photo-caption", "eval", {"eval.json"}},
      {"photo-caption", "near", {"near.json"}},
      {"photo-caption", "train", {"train.json"}}};
  return all;
}

const Annotations& annotations_of(const std::string& name, const std::string& split) {
  std::vector<std::string> splits;
  for (const auto& one : known()) {
    if (one.suite != name) continue;
    if (one.split == split) return one;
    splits.push_back(one.split);
  }
  throw Error(kFilesPlace, fmt::format("{} has no split '{}'", name, split),
              fmt::format("use one of: {}", fmt::join(splits, ", ")));
}

bool is_file(const fs::path& path) {
  std::error_code failure;
  return fs::is_regular_file(path, failure);
}

bool is_folder(const fs::path& path) {
  std::error_code failure;
  return fs::is_directory(path, failure);
}

// Checks that a path is a folder. A wrong path would otherwise appear as many missing images.
std::string folder(const std::string& path, const char* what) {
  if (!is_folder(path))
    throw Error(kFilesPlace, fmt::format("'{}' (folder of {}) is not a folder", path, what),
                "check the path");
  return path;
}

// Normalizes a path: "vqa/.." to ".", "a/vqa/.." to "a".
std::string plain(const fs::path& path) {
  auto normal = path.lexically_normal();
  return (normal.has_filename() ? normal : normal.parent_path()).string();
}

std::string image_of(const JsonRows& rows, size_t index) {
  return json_get_or<std::string>(rows.row(index), "image", {}, rows.where(index));
}

}  // namespace

std::string find_annotations(const std::string& name, const SuiteOptions& options) {
  const auto& data = options.data;
  if (data.empty())
    throw Error(kFilesPlace, fmt::format("{} needs a data file", name),
                "give the annotation file, or the folder of the dataset, with --data");
  const bool own = name == "mmedit-json";
  const auto* annotations = own ? nullptr : &annotations_of(name, options.split);
  if (!is_folder(data)) return data;
  if (own)
    throw Error(kFilesPlace, fmt::format("'{}' is a folder", data),
                "mmedit-json reads one annotation file; give it with --data");
  std::vector<std::string> tried;
  for (const auto* file : annotations->files) {
    auto path = fs::path(data) / file;
    if (is_file(path)) return path.string();
    tried.push_back(path.string());
  }
  throw Error(kFilesPlace,
              fmt::format("no annotations of {}, split {}, were found: no {}", name, options.split,
                          fmt::join(tried, " and no ")),
              "give the path of the file with --data");
}

ImageRoots find_image_roots(const JsonRows& rows, const SuiteOptions& options) {
  ImageRoots roots;
  if (!options.images.empty()) {
    roots.image = folder(options.images, "the images");
  } else {
    // MMEdit's images are in the parent of the annotations' folder, VLKEB's in a folder next to the
    // file.
    auto beside = fs::path(rows.path()).parent_path();
    if (beside.empty()) beside = ".";
    const std::vector<fs::path> candidates = {beside, beside / "..", beside / "VLKEB_images"};
    for (size_t i = 0; i < rows.size() && roots.image.empty(); ++i) {
      auto image = image_of(rows, i);
      if (fs::path(image).is_absolute()) continue;  // absolute paths do not depend on the root
      for (const auto& root : candidates)
        if (roots.image.empty() && is_file(root / image)) roots.image = plain(root);
    }
    if (roots.image.empty()) roots.image = beside.string();
  }
  roots.rephrase = options.rephrase_images.empty()
                       ? roots.image
                       : folder(options.rephrase_images, "the rephrased images");
  return roots;
}

}  // namespace emend
