#pragma once

#include <unordered_map>

#include "evaluation/report/merge.h"
#include "evaluation/report/samples.h"

namespace emend {

// Thumbnails as data URIs. Each picture file is added once.
class PictureBook {
 public:
  // `roots`: additional folders whose pictures may be shown.
  explicit PictureBook(std::vector<std::string> roots = {}) : roots_(std::move(roots)) {}

  // Returns the index into `pages`, or -1 for no picture, an unreadable picture, or a picture
  // outside of the allowed folders (after symbolic links are resolved). `name` is a name from
  // samples.jsonl, relative to the run's folder or to the working directory of the benchmark.
  int64_t add(const std::string& folder, const std::string& name);

  const std::vector<std::string>& pages() const { return pages_; }
  size_t unreadable() const { return unreadable_; }
  size_t elsewhere() const { return elsewhere_; }

 private:
  bool is_allowed(const std::string& path, const std::string& folder) const;

  std::vector<std::string> roots_;
  std::unordered_map<std::string, int64_t> known_;
  std::vector<std::string> pages_;
  size_t unreadable_ = 0, elsewhere_ = 0;
};

// The data of report.html about a block's records: {"total", "shown": [...]}. `surveys` has one
// element per run of the block, in their order. At most `limit` records are shown.
nlohmann::json page_records(const Block& block,
                            const std::vector<std::vector<SampledRecord>>& surveys, size_t limit,
                            PictureBook& pictures);

}  // namespace emend
