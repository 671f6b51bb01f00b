#include "models/request_batch.h"

#include <algorithm>

#include "io/error.h"

namespace emend {

Batch request_batch(const Vlm& vlm, const std::vector<Query>& queries,
                    const Interventions& interventions) {
  const bool shared = std::all_of(interventions.begin(), interventions.end(),
                                  [](const Intervention& i) { return i.rows.empty(); });
  const auto same = [](const Image& a, const Image& b) {
    return a.width == b.width && a.height == b.height && a.rgb == b.rgb;
  };
  Batch batch;
  std::vector<const Image*> images;
  std::vector<at::Tensor> pixels;
  for (const auto& query : queries) {
    int64_t index = -1;
    if (query.image) {
      auto found = std::find_if(images.begin(), images.end(), [&](const Image* known) {
        return shared && same(*known, *query.image);
      });
      index = found - images.begin();
      if (found == images.end()) {
        images.push_back(&*query.image);
        pixels.push_back(vlm.processor.pixels(*query.image));
        if (pixels.back().sizes() != pixels.front().sizes())
          throw Error("models::request", "the pictures of a batch have different sizes",
                      "ask them one by one; this model does not resize");
      }
    }
    batch.rows.push_back(vlm.processor.row(query.text, index));
  }
  if (!pixels.empty()) batch.pixels = at::stack(pixels);
  return apply_requests(batch, interventions);
}

}  // namespace emend
