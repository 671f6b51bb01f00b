#pragma once

#include <ATen/ATen.h>

#include <array>
#include <string>

#include "io/image/image.h"
#include "io/image/sizes/anyres.h"

namespace emend {

// A picture as a model's input: one image, or tiles row by row, followed by the whole picture.
struct Tiles {
  at::Tensor pixels;  // (N, 3, height, width) float32, or one packed picture (1, L) of anyres.h
  int rows = 0;       // tile rows; 0: not divided into tiles
  int columns = 0;
};

// The steps of preprocessor_config.json: pad to a square, resize, center crop, rescale, normalize.
// BLIP's processors resize to a fixed size, without padding and cropping. Idefics3's (SmolVLM)
// resize by the longer side and divide the picture into square tiles. Qwen2-VL's resize to the
// nearest multiples of the side of an image token, within limits of the area. LLaVA-NeXT's and
// LLaVA-OneVision's divide a picture of any resolution into tiles. ResNetLlama's, emend's own,
// has the setting do_flip_channel_order of transformers' MobileViTImageProcessor.
struct ImageProcessor {
  int width = 224;
  int height = 224;
  int shortest_edge =
      0;  // resize the shorter side to this and keep the aspect ratio; 0: width x height
  int longest_edge = 0;  // with tiles: first resize the longer side to this
  int factor = 0;        // Qwen2-VL: both sides become multiples of this (patch_size * merge_size)
  int64_t min_pixels = 56 * 56;  // with `factor`: limits of width * height
  int64_t max_pixels = 28 * 28 * 1280;
  GridPinpoints pinpoints;  // LLaVA-NeXT, LLaVA-OneVision: pictures become tiles of width x height
  bool divides_several = true;  // false: only a picture that is alone in its prompt (OneVision)
  int tile = 0;                 // side of a tile (max_image_size); 0: no tiles
  bool split = false;  // do_image_splitting; without it, the whole picture is the only tile
  bool do_pad = false;
  bool do_resize = true;
  bool do_center_crop = false;
  int crop_width = 224;
  int crop_height = 224;
  bool do_rescale = true;
  bool do_flip_channel_order = false;  // RGB to BGR, before the mean is subtracted
  bool do_normalize = true;
  Resample resample = Resample::bicubic;
  double rescale_factor = 1.0 / 255;
  std::array<double, 3> mean{0.48145466, 0.4578275, 0.40821073};
  std::array<double, 3> std{0.26862954, 0.26130258, 0.27577711};

  // Throws emend::Error for settings that are not implemented.
  static ImageProcessor load(const std::string& path);
  // The model's input for `image`. `alone`: its prompt has no other picture. Throws emend::Error if
  // it has no pixels or too many.
  Tiles tiles(const Image& image, bool alone = true) const;

 private:
  Image framed(const Image& image, bool pad) const;
  at::Tensor pixels(const Image& image) const;  // (3, height, width)
};

}  // namespace emend
