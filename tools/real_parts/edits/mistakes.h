#pragma once

#include "models/vlm.h"
#include "photo_edits.h"
#include "photo_features.h"

namespace emend::photos {

struct MistakeOptions {
  std::string folder;  // of the suite
  bool captions = false;
  std::string split = "eval";  // eval, train; eval also has near.json
  size_t limit = 300;          // edits, at most; 0: all mistakes
  size_t questions_per_photo = 1;
  uint64_t seed = 1;
};

// A caption is a mistake if its CIDEr-D against the human captions is smaller. The document
// frequencies are those of all photos of the split.
inline constexpr double kCaptionMistake = 0.1;

// Asks the model for a caption of each photo, or questions_per_photo questions about it, in random
// order of the photos, and writes its mistakes as edits (EditWriter). Shows progress. Returns the
// number of answers. Throws emend::Error if there is no mistake.
size_t write_mistakes(const Vlm& vlm, const PhotoFeatures& features,
                      const std::vector<Photo>& photos, const std::vector<Photo>& elsewhere,
                      const std::vector<TextFact>& texts, const MistakeOptions& options);

}  // namespace emend::photos
