#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "suites/record.h"

namespace emend {

// The source of the default locality questions of `emend edit`.
enum class ProbeWorld {
  general,  // open-domain questions, and photos under free licenses
  scenes    // Scenes, for the bundled model
};

// The source that emend.json in a model's folder selects, {"default_probes": "scenes"}; `general`
// without such a file. Throws emend::Error when the file has other content.
ProbeWorld probe_world(const std::string& folder);

// The maximum numbers of unrelated questions without a picture and about pictures. `general` has 64
// questions without a picture and 23 about its 7 photos.
struct DefaultProbes {
  ProbeWorld world = ProbeWorld::general;
  int texts = 0;
  int pictures = 0;
};

// Calls `take` with each probe of text and image locality: a picture is made when its turn comes,
// so that pictures need not be kept. The same seed gives the same probes; none asks `related`.
using TakeProbe = std::function<void(Probe)>;
void each_unrelated_probe(const DefaultProbes& probes, uint64_t seed,
                          const std::set<std::string>& related, const TakeProbe& take);
// Returns all of these probes.
std::vector<Probe> unrelated_probes(const DefaultProbes& probes, uint64_t seed,
                                    const std::set<std::string>& related);

// Other wordings of a question, if the source has any.
std::vector<std::string> other_wordings(ProbeWorld world, const std::string& question);

// A description of the questions for reports, such as "general questions, text only".
std::string texts_of(ProbeWorld world);
std::string pictures_of(ProbeWorld world);

}  // namespace emend
