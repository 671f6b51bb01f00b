#pragma once

#include <string>
#include <vector>

#include "editing/patches/patch.h"
#include "editing/settings/settings.h"
#include "editing/targets/edited_layers.h"
#include "models/core/model.h"

namespace emend {

// The settings of GRACE's codebook.
struct CodebookSettings {
  double eps = 0;
  double relative_eps = 0.85;
  bool expand = true;
  std::string replacement = "prompt";  // prompt, last, all

  void declare(SettingList& list);
};

// The positions (B, T) of a pass of the language model at which a matched row has its value.
at::Tensor replaced_positions(const Pass& pass, const std::string& replacement);
// The keys of a layer's input (R, T, in): (R, in). In the language model, the last token of each
// row's prompt; rows whose last prompt token is not in the pass have NaN. Otherwise the mean of a
// picture's positions.
at::Tensor layer_keys(const Pass& pass, const at::Tensor& input, bool of_pictures);

// The codebook of GRACE [arXiv 2211.11031] at one layer: keys with a radius, and values that
// replace the output of the layer. The entries of a patch's memory are its keys, in the order of
// the edits. An edit has a key and a value for each tile of a picture, and one in the language
// model.
class Codebook {
 public:
  // The memory of a patch: `reading` has the site, and each entry the tensors key (n, in) and value
  // (n, p, out). p is 1 in the language model, otherwise the number of positions of a picture.
  // Throws emend::Error if the memory is malformed.
  Codebook(const Model& model, const Patch& patch);

  const std::string& site() const { return site_; }
  // Radii of the keys: a key begins with `eps` and is compared with the nearest earlier key, at the
  // distance d. If their regions overlap and their labels differ, both radii are at most d / 2; if
  // the labels are the same, the region of the earlier key grows to d (`expand`).
  const std::vector<double>& radii() const { return radii_; }
  // The key of each query (R, in): the nearest one if the query is within its radius, otherwise -1.
  std::vector<int64_t> match(const at::Tensor& queries) const;
  // See Intervention::layer. A question is matched once, when its last prompt token runs. Rows that
  // match no key keep their bits.
  at::Tensor apply(const Pass& pass, const at::Tensor& input, const at::Tensor& output) const;

 private:
  // Computes the radius of a key from the earlier ones, and changes the radius of the nearest.
  void add_radius(size_t index);
  std::vector<int64_t> match_rows(const Pass& pass, const at::Tensor& input) const;

  CodebookSettings settings_;
  std::string site_;
  bool of_pictures_ = false;
  at::Tensor keys_;                 // (n, in)
  std::vector<at::Tensor> values_;  // (p, out) each
  std::vector<std::string> labels_;
  std::vector<double> radii_;
};

}  // namespace emend
