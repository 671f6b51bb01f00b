#include "neighbors.h"

#include <cstdlib>

namespace emend::photos {
namespace {

constexpr int kRoom = 20, kNextFrames = 3;
constexpr double kSimilar = 0.75;

}  // namespace

PhotoNeighbors::PhotoNeighbors(const std::vector<at::Tensor>& features) {
  std::vector<at::Tensor> means;
  for (const auto& one : features) means.push_back(one.to(at::kFloat).mean(0));
  const auto all = at::stack(means);
  means_ = (all / all.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-9)).contiguous();
}

double PhotoNeighbors::similarity(size_t a, size_t b) const {
  return at::dot(means_[static_cast<int64_t>(a)], means_[static_cast<int64_t>(b)]).item<double>();
}

std::optional<size_t> PhotoNeighbors::nearest(size_t photo,
                                              const std::function<bool(size_t)>& allowed) const {
  const auto scores = at::mv(means_, means_[static_cast<int64_t>(photo)]);
  const auto* score = scores.data_ptr<float>();
  std::optional<size_t> best;
  for (size_t i = 0; i < static_cast<size_t>(scores.size(0)); ++i)
    if (i != photo && (!best || score[i] > score[*best]) && allowed(i)) best = i;
  return best;
}

std::optional<int> frame_number(const Photo& photo) {
  const std::string prefix = "daquar/image";
  if (photo.name.rfind(prefix, 0) != 0) return {};
  return std::atoi(photo.name.c_str() + prefix.size());
}

bool may_be_same_room(const Photo& a, const Photo& b) {
  const auto x = frame_number(a), y = frame_number(b);
  return x && y && std::abs(*x - *y) <= kRoom;
}

bool can_be_unrelated(const Photo& other, const Photo& photo) {
  const bool has_texts = !other.questions.empty() || !other.captions.empty();
  return has_texts && other.name != photo.name && !may_be_same_room(other, photo);
}

std::vector<Frame> other_frames(size_t photo, const std::vector<Photo>& photos,
                                const PhotoNeighbors& neighbors) {
  std::vector<Frame> frames;
  const auto number = frame_number(photos[photo]);
  for (size_t i = 0; number && i < photos.size(); ++i) {
    const auto other = frame_number(photos[i]);
    if (i == photo || !other || std::abs(*other - *number) > kNextFrames) continue;
    if (neighbors.similarity(photo, i) < kSimilar) continue;
    for (size_t q = 0; q < photos[photo].questions.size(); ++q) {
      const auto& question = photos[photo].questions[q];
      // A question that was asked twice about the other frame may have two answers.
      bool same = false, different = false;
      for (const auto& one : photos[i].questions)
        if (one.text == question.text) (one.answer == question.answer ? same : different) = true;
      if (same && !different) frames.push_back({q, i});
    }
  }
  return frames;
}

}  // namespace emend::photos
