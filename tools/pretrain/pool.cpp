#include "pool.h"

#include <cstring>
#include <thread>

#include "io/image.h"
#include "io/image_processor.h"

namespace emend::pretrain {

Pool::Pool(scenes::Split split, int64_t count, int side, uint64_t seed, int threads)
    : split_(split), side_(side), scenes_(count), bytes_(at::empty({count, side, side, 3}, at::kByte)) {
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t)
    workers.emplace_back([&, t] {
      for (int64_t i = t; i < count; i += threads) redraw(i, seed * 1'000'003 + i);
    });
  for (auto& worker : workers) worker.join();
}

void Pool::redraw(int64_t index, uint64_t seed) {
  scenes::Rng rng(seed);
  scenes_[index] = scenes::draw_scene(split_, rng);
  auto picture = resize(scenes::render(scenes_[index]), side_, side_, Resample::bicubic);
  std::memcpy(bytes_.data_ptr<uint8_t>() + index * picture.rgb.size(), picture.rgb.data(),
              picture.rgb.size());
}

at::Tensor Pool::pixels(const std::vector<int64_t>& indices) const {
  auto which = at::tensor(indices, at::kLong);
  auto pixels = bytes_.index_select(0, which).permute({0, 3, 1, 2}).to(at::kFloat).div_(255);
  ImageProcessor processor;
  for (int c = 0; c < 3; ++c) pixels.select(1, c).sub_(processor.mean[c]).div_(processor.std[c]);
  return pixels.contiguous();
}

}  // namespace emend::pretrain
