#pragma once

#include <cmath>
#include <string>

#include "editing/testing/tiny_vlm_test.h"
#include "editing/training/edit_example.h"

namespace emend::testing {

// Base of the tests of editors whose networks turn gradients into changes of weights.
class HyperNetworkTest : public TinyVlmTest {
 protected:
  static const Vlm& vlm() { return *vlm_; }
  static const Model& model() { return *vlm_->model; }

  static EditRequest request(int number = 1, const std::string& target = " cat") {
    return {{"", noise_image(number)}, "What is this?", target, "cow"};
  }
  static EditExample example(int number) {
    EditExample example;
    example.edit = request(number, number % 2 ? " cat" : " dog");
    example.generality = {{example.edit.image, "And what is this?", example.edit.target},
                          {{"", noise_image(100 + number)}, "What?", example.edit.target}};
    example.image_locality = {{{"", noise_image(200 + number)}, "Where?", " here"}};
    example.text_locality = {{{}, "Who are you, then?", " me"}};
    return example;
  }
  // The largest difference, relative to the largest expected value.
  static double relative_error(const at::Tensor& actual, const at::Tensor& expected) {
    if (actual.sizes() != expected.sizes()) return INFINITY;
    return (actual - expected).abs().max().item<double>() / expected.abs().max().item<double>();
  }
};

}  // namespace emend::testing
