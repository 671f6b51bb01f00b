#pragma once

#include <set>
#include <string>
#include <vector>

#include "suites/record.h"

namespace emend {

// Where the questions come from that `emend edit` asks when the user names none.
enum class ProbeWorld {
  general,  // open-domain questions, and photos under free licenses
  scenes    // the bundled model's world
};

// What a model's folder says about itself in its file emend.json, {"default_probes": "scenes"};
// general without such a file. Throws emend::Error when the file says something else.
ProbeWorld probe_world(const std::string& folder);

// How many unrelated questions are asked without a picture and about pictures. There may be fewer:
// the general world has 64 questions, and 23 about its 7 photos.
struct DefaultProbes {
  ProbeWorld world = ProbeWorld::general;
  int texts = 0;
  int pictures = 0;
};

// Text and image locality. The same seed gives the same probes; none asks what is in `related`.
std::vector<Probe> unrelated_probes(const DefaultProbes& probes, uint64_t seed,
                                    const std::set<std::string>& related);

// Other wordings of a question, where the world knows some.
std::vector<std::string> other_wordings(ProbeWorld world, const std::string& question);

// The world's questions, for a report: "open-domain questions".
std::string texts_of(ProbeWorld world);
std::string pictures_of(ProbeWorld world);

}  // namespace emend
