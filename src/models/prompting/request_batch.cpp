#include "models/prompting/request_batch.h"

#include <algorithm>

#include "models/prompting/image_batch.h"

namespace emend {

Batch request_batch(const Vlm& vlm, const std::vector<Query>& queries,
                    const Interventions& interventions) {
  const bool shared = std::all_of(interventions.begin(), interventions.end(),
                                  [](const Intervention& i) { return i.rows.empty(); });
  const auto same = [](const Image& a, const Image& b) {
    return a.width == b.width && a.height == b.height && a.rgb == b.rgb;
  };
  Batch batch;
  struct Known {
    const Image* image;
    bool alone;  // whether it is processed as the only picture of its prompt
  };
  std::vector<Known> images;
  ImageBatch pictures;
  for (const auto& query : queries) {
    std::vector<size_t> own;
    const bool alone = query.pictures() == 1 || vlm.processor.image_processor.divides_several;
    const auto add = [&](const Image& image) {
      const auto found = std::find_if(images.begin(), images.end(), [&](const Known& known) {
        return shared && known.alone == alone && same(*known.image, image);
      });
      own.push_back(static_cast<size_t>(found - images.begin()));
      if (found != images.end()) return;
      images.push_back({&image, alone});
      pictures.add(vlm.processor.tiles(image, alone));
    };
    if (query.image) add(*query.image);
    for (const auto& image : query.more_images) add(image);
    batch.rows.push_back(pictures.row(vlm.processor, query.text, own));
  }
  batch.pixels = pictures.pixels();
  return apply_requests(batch, interventions);
}

}  // namespace emend
