#pragma once

#include <string>
#include <vector>

namespace emend::photos {

// A generated caption and the human captions of the same photo.
struct CaptionPair {
  std::string caption;
  std::vector<std::string> references;
};

// Words in small letters; everything but letters, digits, apostrophes and hyphens separates words.
std::vector<std::string> caption_words(const std::string& text);

struct CaptionScores {
  double bleu4 = 0, bleu4_error = 0;  // 0 to 1, over the corpus; its error by 200 bootstrap samples
  double cider = 0, cider_error = 0;  // 0 to 10, the mean over the photos; its standard error
  std::vector<double> ciders;         // of each photo
};

// BLEU-4 [Papineni et al. 2002] with the closest reference length, and CIDEr-D [Vedantam et al.
// 2015, equations 4 to 6; sigma 6] with document frequencies of these references, as in the
// coco-caption code. tools/reference/check_caption_scores.py compares both with it.
CaptionScores score_captions(const std::vector<CaptionPair>& pairs);

}  // namespace emend::photos
