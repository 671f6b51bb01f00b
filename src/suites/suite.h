#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "suites/record.h"
#include "suites/scenes/scenes.h"

namespace emend {

// Where edits come from. Records are made when asked for, so that memory does not grow with their
// number; the same suite, options and index always give the same record.
class Suite {
 public:
  virtual ~Suite() = default;
  virtual size_t size() const = 0;  // after filtering
  // Throws emend::Error that names the file and the record when it cannot be read.
  virtual Record record(size_t index) const = 0;
  // Its texts are beginnings of sentences that the model goes on with, not questions: they are
  // asked as they are.
  virtual bool completions() const { return false; }
  // For the result: name, split, `read` rows, `filtered` {reason: rows}, `missing_images` {policy,
  // records left out for them, files, first: [names], dropped_probes: {group: probes}}, `kept`. Of
  // files also the path, its XXH3 content hash, all `rows` of it and the image roots; of scenes
  // form, seed and probes asked for.
  virtual nlohmann::json facts() const = 0;
};

// refuse: a missing image is an error that counts and names them. skip_records: records that miss
// one are left out. skip_probes: only the probes that miss theirs; without its own image a record
// cannot be edited and is left out all the same.
enum class MissingImages { refuse, skip_records, skip_probes };

struct SuiteOptions {
  std::string split = "eval";   // eval, train; vlkeb also one-hop, multi-hop; else unused
  std::string data;             // the annotation file, or the folder of the public download
  std::string images;           // image root; empty: looked for beside the annotation file
  std::string rephrase_images;  // root of image_rephrase; empty: the image root
  size_t limit = 0;             // annotation rows read (scenes: records made); 0: all (scenes: 500)
  uint64_t seed = 0;            // scenes: of all that is drawn
  MissingImages missing_images = MissingImages::refuse;
  bool grid = false;           // add the T x I grid's other cells
  std::string form = "vqa";    // scenes: vqa, caption, or both by turns
  scenes::EditOptions probes;  // scenes: how many a group
};

// name: scenes, e-vqa, e-ic, vlkeb, mmedit-json, counterfact. Everything that can be wrong with the
// data is told here, before any model loads. Throws emend::Error.
std::unique_ptr<Suite> open_suite(const std::string& name, const SuiteOptions& options);
std::vector<std::string> suite_names();

}  // namespace emend
