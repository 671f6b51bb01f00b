#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <optional>
#include <vector>

#include "photo_sets.h"

namespace emend::photos {

// How similar photos are: the cosine of the means of their features over the grid, so two photos
// of different shapes can be compared.
class PhotoNeighbors {
 public:
  // (P, D) for each photo.
  explicit PhotoNeighbors(const std::vector<at::Tensor>& features);

  double similarity(size_t a, size_t b) const;
  // The most similar photo that `allowed` accepts, and not the photo itself. Ties: the first.
  std::optional<size_t> nearest(size_t photo, const std::function<bool(size_t)>& allowed) const;

 private:
  at::Tensor means_;  // (N, D) of length 1
};

// The number of a photo of DAQUAR, whose photos are frames of films of rooms: frames of a room have
// consecutive numbers. None: a photo of another set.
std::optional<int> frame_number(const Photo& photo);
// Whether two photos may show the same room: their numbers differ by at most 20.
bool may_be_same_room(const Photo& a, const Photo& b);
// Whether a question about `other` can be the M-Locality of an edit about `photo`.
bool can_be_unrelated(const Photo& other, const Photo& photo);

// Another frame of the same room that has the same answer to a question.
struct Frame {
  size_t question, photo;  // indices into the photo's questions, and into the photos
};
// The frames for a photo: numbers that differ by at most 3, a similarity of at least 0.75, and a
// human who gave the same answer to the same question about the other frame. Of pairs of photos of
// DAQUAR's test set that are more than 20 numbers apart, less than 1 percent have this similarity.
std::vector<Frame> other_frames(size_t photo, const std::vector<Photo>& photos,
                                const PhotoNeighbors& neighbors);

}  // namespace emend::photos
