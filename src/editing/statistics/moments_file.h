#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "editing/statistics/moments.h"
#include "io/tensors/safetensors.h"
#include "models/vlm.h"

namespace emend {

// The name of the file in a model's folder that editors read by default.
inline constexpr const char* kStatisticsFile = "statistics.safetensors";

// The moments of one site as a file has them: matrices are upper triangles (see triangle.h).
struct PackedMoments {
  std::string site;
  int64_t dimension = 0;
  int64_t text_count = 0, image_count = 0, first_count = 0;
  at::Tensor text, image;  // (d (d + 1) / 2) float32; undefined if the count is 0
  at::Tensor first;        // (d) float32; undefined if the count is 0
};

// The moments of several sites of one model as a file: safetensors with the tensors SITE/text,
// SITE/image and SITE/first. Counts, checksums, sources and the model's fingerprint are in the
// metadata. The file is mapped, and tensors are read when they are needed.
class MomentsFile {
 public:
  // Throws emend::Error if the file is not a file of moments, or its description is damaged.
  static MomentsFile open(const std::string& path);

  const std::string& path() const { return file_->path(); }
  const std::string& fingerprint() const { return fingerprint_; }
  const nlohmann::json& facts() const { return facts_; }  // source, computation, program
  std::vector<std::string> sites() const;                 // in the order of the model
  bool contains(const std::string& site) const;
  // The numbers of positions: [{"site", "dimension", "text", "image", "first"}].
  nlohmann::json counts() const;

  // Throws emend::Error with this hint if the file belongs to another model.
  void check_model(const Vlm& vlm, const std::string& hint) const;
  // Reads one site. Throws emend::Error if the file belongs to another model, the site is missing,
  // its shape differs, or its numbers were changed or are not finite. The hint names the command
  // that computes the moments.
  SiteMoments read(const Vlm& vlm, const std::string& site) const;
  // The same without the model, and with views of the mapped file.
  PackedMoments read_packed(const std::string& site) const;

  static void write(const std::string& path, const std::string& fingerprint,
                    const nlohmann::json& facts, const std::vector<PackedMoments>& sites);

 private:
  struct Entry {
    PackedMoments counts;  // without tensors
    std::string checksum;
  };
  const Entry* find(const std::string& site) const;

  std::shared_ptr<const SafetensorsFile> file_;
  std::string fingerprint_;
  nlohmann::json facts_;
  std::vector<Entry> entries_;
};

// The command that computes the moments of these sites (names or globs) for a model.
std::string stats_command(const Vlm& vlm, const std::vector<std::string>& sites,
                          const std::string& output);

// The file that an editor reads: `path`, or MODEL/statistics.safetensors if it is empty. Throws
// emend::Error, which names the command that creates the file, if it does not exist or lacks one of
// the sites.
MomentsFile open_moments(const Vlm& vlm, const std::string& path,
                         const std::vector<std::string>& sites);

}  // namespace emend
