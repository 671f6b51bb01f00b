#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "io/testing.h"
#include "models/vlm.h"
#include "tests/tiny_vlm.h"

namespace emend::testing {

// Base of tests that edit the tiny BLIP-2, which a suite writes and opens once.
class TinyVlmTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    write_tiny_vlm(folder_->path());
    vlm_ = std::make_unique<Vlm>(load_vlm(folder_->path()));
  }
  static void TearDownTestSuite() {
    vlm_.reset();
    folder_.reset();
  }

  inline static std::unique_ptr<TemporaryFolder> folder_;
  inline static std::unique_ptr<Vlm> vlm_;
};

}  // namespace emend::testing
