#include "pool.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cstring>
#include <thread>

#include "io/image/image.h"
#include "io/image/processor.h"

namespace emend::pretrain {

Pool::Pool(scenes::Split split, int64_t count, int side, uint64_t seed, int threads)
    : split_(split),
      side_(side),
      scenes_(count),
      bytes_(at::empty({count, side, side, 3}, at::kByte)) {
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

at::Tensor Pool::pictures(const std::vector<int64_t>& indices) const {
  auto which = at::tensor(indices, at::kLong);
  return bytes_.index_select(0, which).permute({0, 3, 1, 2}).to(at::kFloat).div_(255);
}

at::Tensor normalized(const at::Tensor& pictures) {
  ImageProcessor processor;
  auto channel = [](const std::array<double, 3>& values) {
    return at::tensor(std::vector<float>(values.begin(), values.end())).view({1, 3, 1, 1});
  };
  return ((pictures - channel(processor.mean)) / channel(processor.std)).contiguous();
}

namespace {

// A smooth color gradient over each picture: (n, 3, side, side), between -`most` and `most`.
at::Tensor wash(const at::Tensor& pictures, double most, const at::Generator& generator) {
  auto corners = at::rand({pictures.size(0), 3, 2, 2}, generator).sub_(0.5).mul_(2 * most);
  return at::upsample_bilinear2d(corners, {pictures.size(2), pictures.size(3)}, true);
}

}  // namespace

at::Tensor vary_light(const at::Tensor& pictures, scenes::Rng& rng) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(rng());
  auto gain = at::rand({pictures.size(0), 3, 1, 1}, generator).mul_(0.3).add_(0.85);
  return (pictures * gain + wash(pictures, 0.08, generator)).clamp_(0, 1);
}

at::Tensor tint(const at::Tensor& pictures, scenes::Rng& rng) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(rng());
  auto tint = at::rand({pictures.size(0), 3, 1, 1}, generator).mul_(0.8).add_(0.2);
  auto gray = pictures.mean(1, /*keepdim=*/true) * tint;
  return (gray + wash(pictures, 0.25, generator)).clamp_(0, 1);
}

at::Tensor shuffle_tiles(const at::Tensor& pictures, scenes::Rng& rng) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(rng());
  constexpr int64_t tiles = 6;  // tiles per side of a place
  auto n = pictures.size(0), pixels = pictures.size(2) / (3 * tiles);
  auto apart = pictures.view({n, 3, 3, tiles, pixels, 3, tiles, pixels})
                   .permute({0, 2, 5, 3, 6, 1, 4, 7})
                   .reshape({n, 9, tiles * tiles, 3 * pixels * pixels});
  std::vector<at::Tensor> mixed;
  for (int64_t i = 0; i < n; ++i)
    mixed.push_back(apart[i].index_select(1, at::randperm(tiles * tiles, generator)));
  return at::stack(mixed)
      .view({n, 3, 3, tiles, tiles, 3, pixels, pixels})
      .permute({0, 5, 1, 3, 6, 2, 4, 7})
      .reshape(pictures.sizes());
}

}  // namespace emend::pretrain
