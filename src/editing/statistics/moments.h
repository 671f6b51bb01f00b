#pragma once

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <string>

namespace emend {

// The uncentered second moment of a site's inputs at one kind of positions.
struct SecondMoment {
  int64_t count = 0;  // number of positions
  at::Tensor mean;    // (d, d) float32: the mean of x x^T; undefined if count is 0
};

// The moments of the inputs of one site. Text and image positions are apart because a picture has
// many more positions than a question; an editor weighs them (see Covariance). In the vision tower
// and the connector, all positions are image positions.
struct SiteMoments {
  std::string site;
  SecondMoment text;   // text positions, without padding and position 0
  SecondMoment image;  // image positions, without position 0
  // Position 0 of a row of the language module, whether it is text or part of a picture. In many
  // models it is an attention sink, whose input is larger than all others.
  int64_t first_count = 0;
  at::Tensor first_mean;  // (d) float32: the mean input at position 0; undefined if count is 0

  int64_t dimension() const;  // d; 0 without positions
};

// Where moments come from, for results.
struct MomentsSource {
  nlohmann::json data;     // {"suite": metadata, "protocol"} or {"text": path, hash, lines}
  int64_t samples = 0;     // records of the suite, or lines of the file
  int64_t max_length = 0;  // positions after which a row is cut
  int64_t seed = 0;        // of the choice of samples
  nlohmann::json to_json() const;
};

}  // namespace emend
