#include "editing/statistics/moments_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "editing/statistics/triangle.h"
#include "io/error.h"
#include "io/files/path.h"
#include "io/hash.h"
#include "io/json/json.h"

namespace emend {
namespace {

constexpr const char* kMomentsPlace = "editing::statistics";
constexpr const char* kMomentsFormat = "emend-statistics";
constexpr const char* kMomentsVersion = "1";
constexpr int64_t kMostInputs = int64_t{1} << 24;  // of a layer

[[noreturn]] void reject_moments(const std::string& path, const std::string& what,
                                 const std::string& hint = {}) {
  throw Error(kMomentsPlace, fmt::format("'{}' {}", path, what),
              hint.empty() ? "compute the statistics again with `emend stats`, or fetch an intact "
                             "copy of the file"
                           : hint);
}

std::string moments_metadata(const SafetensorsFile& file, const char* name) {
  const auto found = file.metadata().find(name);
  return found == file.metadata().end() ? std::string() : found->second;
}

// The tensors of a site with their names and sizes, for writing, hashing and reading.
struct Part {
  const char* kind;
  int64_t count, size;
  at::Tensor PackedMoments::*tensor;
};
std::vector<Part> parts_of(const PackedMoments& moments) {
  const auto matrix = triangle_size(moments.dimension);
  std::vector<Part> parts;
  for (const Part& part :
       {Part{"text", moments.text_count, matrix, &PackedMoments::text},
        Part{"image", moments.image_count, matrix, &PackedMoments::image},
        Part{"first", moments.first_count, moments.dimension, &PackedMoments::first}})
    if (part.count > 0) parts.push_back(part);
  return parts;
}

std::string moments_checksum(const PackedMoments& moments) {
  Hasher hash;
  for (const auto& part : parts_of(moments)) {
    const auto tensor = (moments.*part.tensor).contiguous();
    hash.update_sized(part.kind);
    hash.update(tensor.data_ptr(), tensor.nbytes());
  }
  return hash.hex();
}

nlohmann::json counts_json(const PackedMoments& moments) {
  return {{"site", moments.site},
          {"dimension", moments.dimension},
          {"text", moments.text_count},
          {"image", moments.image_count},
          {"first", moments.first_count}};
}

PackedMoments counts_of(const nlohmann::json& entry, const std::string& path) {
  PackedMoments counts;
  counts.site = json_get<std::string>(entry, "site", path);
  counts.dimension = json_get<int64_t>(entry, "dimension", path);
  counts.text_count = json_get<int64_t>(entry, "text", path);
  counts.image_count = json_get<int64_t>(entry, "image", path);
  counts.first_count = json_get<int64_t>(entry, "first", path);
  if (counts.dimension < 1 || counts.dimension > kMostInputs)
    reject_moments(path, fmt::format("has a site of dimension {}", counts.dimension));
  if (counts.text_count < 0 || counts.image_count < 0 || counts.first_count < 0)
    reject_moments(path, "has a negative number of positions");
  return counts;
}

// Every tensor must be described, with its shape.
void check_tensors(const SafetensorsFile& file, const std::vector<PackedMoments>& sites) {
  size_t described = 0;
  for (const auto& site : sites)
    for (const auto& part : parts_of(site)) {
      const auto name = site.site + "/" + part.kind;
      const auto found = file.tensors().find(name);
      if (found == file.tensors().end())
        reject_moments(file.path(), fmt::format("has no tensor '{}'", name));
      if (found->second.dtype != at::kFloat ||
          found->second.shape != std::vector<int64_t>{part.size})
        reject_moments(file.path(),
                       fmt::format("has a tensor '{}' of the wrong dtype or shape", name));
      ++described;
    }
  if (described != file.tensors().size())
    reject_moments(file.path(), "has tensors that it does not describe");
}

}  // namespace

MomentsFile MomentsFile::open(const std::string& path) {
  MomentsFile moments;
  moments.file_ = SafetensorsFile::open(path);
  const auto& file = *moments.file_;
  if (moments_metadata(file, "format") != kMomentsFormat)
    reject_moments(path, "is not a file of statistics", "compute one with `emend stats -o FILE`");
  if (const auto version = moments_metadata(file, "version"); version != kMomentsVersion)
    reject_moments(path,
                   fmt::format("has format {}, but this program reads format {}",
                               version.substr(0, 100), kMomentsVersion),
                   "use a newer emend");
  const auto text = moments_metadata(file, "statistics");
  if (hash_hex(text) != moments_metadata(file, "checksum"))
    reject_moments(path, "was changed after it was saved (its checksum differs)");
  const auto description = parse_json(text, path + " (description)");
  moments.fingerprint_ = json_get<std::string>(description, "model", path);
  moments.facts_ = json_get<nlohmann::json>(description, "facts", path);
  const auto sites = json_get<nlohmann::json>(description, "sites", path);
  if (!sites.is_array()) reject_moments(path, "has sites that are not a list");
  std::set<std::string> names;
  std::vector<PackedMoments> counts;
  for (const auto& entry : sites) {
    counts.push_back(counts_of(entry, path));
    if (!names.insert(counts.back().site).second)
      reject_moments(path, fmt::format("has the site '{}' twice", counts.back().site));
    moments.entries_.push_back({counts.back(), json_get<std::string>(entry, "checksum", path)});
  }
  check_tensors(file, counts);
  return moments;
}

void MomentsFile::write(const std::string& path, const std::string& fingerprint,
                        const nlohmann::json& facts, const std::vector<PackedMoments>& sites) {
  auto entries = nlohmann::json::array();
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& site : sites) {
    for (const auto& part : parts_of(site)) {
      const auto& tensor = site.*part.tensor;
      if (!at::isfinite(tensor).all().item<bool>())
        throw Error(kMomentsPlace,
                    fmt::format("the inputs of {} are not finite, or too large", site.site),
                    "compute with --dtype fp32, and check that the model answers questions");
      tensors.emplace_back(site.site + "/" + part.kind, tensor);
    }
    auto entry = counts_json(site);
    entry["checksum"] = moments_checksum(site);
    entries.push_back(std::move(entry));
  }
  const nlohmann::json description = {{"model", fingerprint}, {"facts", facts}, {"sites", entries}};
  const auto text = description.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  write_safetensors(path, tensors,
                    {{"format", kMomentsFormat},
                     {"version", kMomentsVersion},
                     {"statistics", text},
                     {"checksum", hash_hex(text)}});
}

const MomentsFile::Entry* MomentsFile::find(const std::string& site) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.counts.site == site; });
  return found == entries_.end() ? nullptr : &*found;
}

std::vector<std::string> MomentsFile::sites() const {
  std::vector<std::string> names;
  for (const auto& entry : entries_) names.push_back(entry.counts.site);
  return names;
}

nlohmann::json MomentsFile::counts() const {
  auto counts = nlohmann::json::array();
  for (const auto& entry : entries_) counts.push_back(counts_json(entry.counts));
  return counts;
}

bool MomentsFile::contains(const std::string& site) const { return find(site) != nullptr; }

PackedMoments MomentsFile::read_packed(const std::string& site) const {
  const auto* entry = find(site);
  if (!entry) reject_moments(path(), fmt::format("has no statistics of {}", site));
  auto moments = entry->counts;
  for (const auto& part : parts_of(moments)) {
    moments.*part.tensor = file_->tensor(site + "/" + part.kind);
    if (!at::isfinite(moments.*part.tensor).all().item<bool>())
      reject_moments(path(), fmt::format("has statistics of {} that are not finite", site));
  }
  if (moments_checksum(moments) != entry->checksum)
    reject_moments(
        path(), fmt::format("was changed after it was saved (the checksum of {} differs)", site));
  return moments;
}

void MomentsFile::check_model(const Vlm& vlm, const std::string& hint) const {
  if (fingerprint_ != vlm.fingerprint())
    reject_moments(path(),
                   fmt::format("has statistics of the model {}, but this model is {}",
                               fingerprint_.substr(0, 100), vlm.fingerprint()),
                   hint);
}

SiteMoments MomentsFile::read(const Vlm& vlm, const std::string& name) const {
  const auto& site = vlm.model->site(name);
  const auto again = "compute statistics of this model: " + stats_command(vlm, {site.name}, "FILE");
  check_model(vlm, again);
  if (!contains(site.name))
    reject_moments(path(), fmt::format("has no statistics of {}", site.name), again);
  const auto packed = read_packed(site.name);
  if (packed.dimension != site.in)
    reject_moments(path(),
                   fmt::format("has statistics of {} with dimension {}, but its inputs have {}",
                               site.name, packed.dimension, site.in),
                   again);
  SiteMoments moments;
  moments.site = site.name;
  moments.text.count = packed.text_count;
  moments.image.count = packed.image_count;
  moments.first_count = packed.first_count;
  if (packed.text.defined()) moments.text.mean = unpack_triangle(packed.text, site.in);
  if (packed.image.defined()) moments.image.mean = unpack_triangle(packed.image, site.in);
  if (packed.first.defined()) moments.first_mean = packed.first.clone();
  for (const auto& part : parts_of(packed)) file_->release_pages(site.name + "/" + part.kind);
  return moments;
}

std::string stats_command(const Vlm& vlm, const std::vector<std::string>& sites,
                          const std::string& output) {
  std::string command = "emend stats -m " + vlm.folder;
  for (const auto& site : sites) command += fmt::format(" --sites '{}'", site);
  command += vlm.model->reads_pictures() ? " --suite scenes" : " --text FILE.txt";
  return command + " -o " + output;
}

MomentsFile open_moments(const Vlm& vlm, const std::string& path,
                         const std::vector<std::string>& sites) {
  const auto standard = (std::filesystem::path(vlm.folder) / kStatisticsFile).string();
  const auto& chosen = path.empty() ? standard : path;
  if (!path_exists(chosen))
    throw Error(kMomentsPlace,
                path.empty() ? fmt::format("this model has no statistics: there is no {}", chosen)
                             : fmt::format("there is no file '{}'", chosen),
                "create it: " + stats_command(vlm, sites, chosen));
  auto moments = MomentsFile::open(chosen);
  const auto compute = fmt::format("compute them: {}; then --set statistics=FILE",
                                   stats_command(vlm, sites, "FILE"));
  moments.check_model(vlm, compute);
  for (const auto& site : sites)
    if (!moments.contains(vlm.model->site(site).name))
      throw Error(kMomentsPlace, fmt::format("'{}' has no statistics of {}", chosen, site),
                  compute);
  return moments;
}

}  // namespace emend
