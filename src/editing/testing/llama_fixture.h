#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/architectures/architecture.h"
#include "models/config/json_fields.h"
#include "models/core/loading/weights.h"
#include "models/vlm.h"

namespace emend::testing {

// A file that an independent script wrote about the small Llama of the agreement tests, and the
// model without its processor.
struct LlamaFixture {
  // file: a name in src/editing/testdata.
  explicit LlamaFixture(const std::string& file)
      : file_(SafetensorsFile::open(EMEND_SOURCE_DIR "/src/editing/testdata/" + file)) {
    vlm_.folder = EMEND_SOURCE_DIR "/src/models/testdata/llama/gqa";
    Weights weights(Checkpoint::open(vlm_.folder), at::kFloat);
    vlm_.model = architecture_of_folder(vlm_.folder).make_model(weights);
  }
  at::Tensor tensor(const std::string& name) const { return file_->tensor(name).clone(); }
  std::vector<int64_t> ids(const std::string& name) const {
    const auto values = tensor(name);
    const auto* first = values.data_ptr<int64_t>();
    return {first, first + values.numel()};
  }

  std::shared_ptr<const SafetensorsFile> file_;
  Vlm vlm_;
};

}  // namespace emend::testing
