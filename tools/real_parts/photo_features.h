#pragma once

#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/tensors/safetensors.h"
#include "models/vlm.h"
#include "photo_sets.h"

namespace emend::photos {

// Features of photos after the last block of the vision tower, computed once:
// FOLDER/NNNN.safetensors with (P, D) bfloat16 for each photo, by its name.
class PhotoFeatures {
 public:
  // Throws emend::Error if the files were made by another vision tower than that of `parts`
  // (parts.json), or lack a photo.
  PhotoFeatures(const std::string& folder, const std::map<std::string, std::string>& parts,
                const std::vector<std::vector<Photo>>& needed);

  at::Tensor at(const Photo& photo) const;  // (P, D) bfloat16
  // (N, P, D) float32
  at::Tensor stack(const std::vector<const Photo*>& photos) const;

 private:
  std::map<std::string, std::shared_ptr<const SafetensorsFile>> file_of_;
};

// Computes the features of photos that no file in `folder` has yet, with progress, and writes a
// file for every 256 photos, so that an interrupted run can continue. Throws emend::Error for a
// text-only model.
void compute_features(const Vlm& vlm, const std::vector<Photo>& photos, const std::string& folder,
                      const std::map<std::string, std::string>& parts);

// parts.json of a folder that make_photo_model.py wrote: the checksum of each part. Throws
// emend::Error if it is missing.
std::map<std::string, std::string> read_parts(const std::string& model);

}  // namespace emend::photos
