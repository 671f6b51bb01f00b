#pragma once

#include <ATen/ATen.h>

#include <array>
#include <string>

#include "io/image.h"

namespace emend {

// preprocessor_config.json: pad to a square, resize, crop the middle, rescale, normalise; BLIP's
// processors resize to a fixed size and do neither the first nor the third.
struct ImageProcessor {
  int width = 224;
  int height = 224;
  int shortest_edge = 0;  // resize the shorter side to this, keeping the shape; 0: width by height
  bool do_pad = false;
  bool do_resize = true;
  bool do_center_crop = false;
  int crop_width = 224;
  int crop_height = 224;
  bool do_rescale = true;
  bool do_normalize = true;
  Resample resample = Resample::bicubic;
  double rescale_factor = 1.0 / 255;
  std::array<double, 3> mean{0.48145466, 0.4578275, 0.40821073};
  std::array<double, 3> std{0.26862954, 0.26130258, 0.27577711};

  // Throws emend::Error for settings that are not implemented.
  static ImageProcessor load(const std::string& path);
  // (3, height, width) float32; of the crop, where there is one.
  at::Tensor pixels(const Image& image) const;

 private:
  Image framed(const Image& image) const;
};

}  // namespace emend
