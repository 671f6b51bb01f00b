#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "suites/groups.h"
#include "suites/scenes/scenes.h"

namespace emend {

// A source of records. Records are made when they are requested, so that memory does not grow with
// their number. The same suite, options and index always give the same record.
class Suite {
 public:
  virtual ~Suite() = default;
  virtual size_t size() const = 0;  // after filtering
  // Throws emend::Error with the file and the record if it cannot be read.
  virtual Record record(size_t index) const = 0;
  // Whether prompts are texts to complete instead of questions. They get no template.
  virtual bool completions() const { return false; }
  // The number of consecutive records whose edits must be in place together: the probes of the last
  // one need all of them. The number of records is a multiple of it.
  virtual size_t records_together() const { return 1; }
  // Metadata for results: name, split, `read` rows, `filtered` {reason: rows}, `missing_images`
  // {policy, records left out, files, first: [names], dropped_probes: {group: probes}}, `kept`. For
  // files also the path, its XXH3 content hash, the number of `rows` and the image roots; for
  // scenes also form, seed and requested probes.
  virtual nlohmann::json metadata() const = 0;
};

// refuse: missing images are an error with their number and names. skip_records: records with
// missing images are left out. skip_probes: only probes with missing images are left out; a record
// without the image of its edit is always left out.
enum class MissingImages { refuse, skip_records, skip_probes };

// The records of a suite, and where its files are.
struct SuiteOptions {
  std::string split = "eval";   // eval, train; vlkeb also one-hop, multi-hop; photos also near
  std::string data;             // the annotation file, or the folder of the published dataset
  std::string images;           // image root; empty: searched next to the annotation file
  std::string rephrase_images;  // root of image_rephrase; empty: the image root
  size_t limit = 0;             // maximum number of records that are kept; 0: all (scenes: 500)
  uint64_t seed = 0;            // scenes: random seed
  MissingImages missing_images = MissingImages::refuse;
  bool grid = false;           // add the T x I grid's other cells
  std::string form = "vqa";    // scenes: vqa, caption, both (alternating), or composition (pairs)
  scenes::EditOptions probes;  // scenes: number of probes per group
};

// name: scenes, e-vqa, e-ic, vlkeb, photo-vqa, counterfact, ..., or a list of them (open_joined).
// All problems of the data are reported here, before a model loads. Throws emend::Error.
std::unique_ptr<Suite> open_suite(const std::string& name, const SuiteOptions& options);

// A suite with its name (the value of `--suite`), its title in tables, and its constructor.
struct SuiteInfo {
  std::string name, title;
  std::function<std::unique_ptr<Suite>(const SuiteOptions&)> open;
  // The options of the command line that only some suites have, and this one has: split, form,
  // probes, consequences, missing-images. Commands refuse the others.
  std::set<std::string> options = {};
};
// All suites. A new suite is added here.
const std::vector<SuiteInfo>& suite_infos();
std::vector<std::string> suite_names();
// e-vqa -> "E-VQA", e-vqa,e-ic -> "E-VQA and E-IC"; unknown names stay.
std::string suite_title(const std::string& name);

}  // namespace emend
