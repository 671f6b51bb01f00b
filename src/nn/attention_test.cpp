#include "nn/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "nn/testing/finite_differences.h"

namespace emend {
namespace {

// One sum after the other, in float64. k and v have as many heads as q.
at::Tensor attention_by_loops(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              const at::Tensor& bias, double scale) {
  const auto wide = [](const at::Tensor& t) { return t.to(at::kDouble).contiguous(); };
  const int64_t rows = q.size(0), heads = q.size(1), length = q.size(2), keys = k.size(2);
  const auto queries_ = wide(q), keys_ = wide(k), values_ = wide(v);
  const auto biases_ = wide(bias.expand({rows, heads, length, keys}));
  const auto queries = queries_.accessor<double, 4>(), key = keys_.accessor<double, 4>(),
             value = values_.accessor<double, 4>(), biases = biases_.accessor<double, 4>();
  auto result = at::zeros({rows, heads, length, v.size(3)}, at::kDouble);
  auto y = result.accessor<double, 4>();
  for (int64_t b = 0; b < rows; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t t = 0; t < length; ++t) {
        double total = 0;
        for (int64_t s = 0; s < keys; ++s) {
          double score = biases[b][h][t][s];
          for (int64_t i = 0; i < q.size(3); ++i)
            score += scale * queries[b][h][t][i] * key[b][h][s][i];
          total += std::exp(score);
          for (int64_t i = 0; i < v.size(3); ++i)
            y[b][h][t][i] += std::exp(score) * value[b][h][s][i];
        }
        for (int64_t i = 0; i < v.size(3); ++i) y[b][h][t][i] /= total;
      }
  return result;
}

double largest_gap(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b).abs().max().item<double>();
}

class AttentionTest : public ::testing::Test {
 protected:
  AttentionTest() {
    at::manual_seed(1);
    q = at::randn({2, 4, 3, 2});
    k = at::randn({2, 4, 5, 2});
    v = at::randn({2, 4, 5, 2});
    bias = at::randn({2, 1, 3, 5});
  }
  static at::Tensor repeated(const at::Tensor& x, int64_t times) {
    return x.repeat_interleave(times, 1);
  }
  at::Tensor q, k, v, bias;
};

TEST_F(AttentionTest, MatchesTheFormula) {
  EXPECT_LT(largest_gap(attention(q, k, v, bias, 0.5), attention_by_loops(q, k, v, bias, 0.5)),
            1e-5);
  const auto none = at::zeros({1, 1, 1, 1});
  EXPECT_LT(largest_gap(attention(q, k, v, {}, 0.3), attention_by_loops(q, k, v, none, 0.3)), 1e-5);
}

// Scores of 0 and ln 3 have the weights 1/4 and 3/4.
TEST_F(AttentionTest, IsTheWeightedMeanOfTheValues) {
  const auto query = at::ones({1, 1, 1, 1});
  const auto keys = at::tensor({0., std::log(3.) / 2}).to(at::kFloat).view({1, 1, 2, 1});
  const auto values = at::tensor({8., 16.}).to(at::kFloat).view({1, 1, 2, 1});
  EXPECT_NEAR(attention(query, keys, values, {}, 2).item<double>(), 14, 1e-5);
}

TEST_F(AttentionTest, IgnoresMaskedPositions) {
  auto may = at::ones({2, 1, 3, 5}, at::kBool);
  may.select(3, 2).fill_(false);
  const auto mask = attention_bias(may, at::kFloat);
  const auto before = attention(q, k, v, mask, 0.5);
  k.select(2, 2).fill_(100);
  v.select(2, 2).fill_(-100);
  EXPECT_TRUE(at::equal(attention(q, k, v, mask, 0.5), before));
  const auto without = [](const at::Tensor& x) {
    return at::cat({x.slice(2, 0, 2), x.slice(2, 3)}, 2);
  };
  EXPECT_TRUE(at::allclose(attention(q, without(k), without(v), {}, 0.5), before, 1e-5, 1e-6));
}

TEST_F(AttentionTest, AFullyMaskedPositionGivesTheMeanOfTheValues) {
  const auto x = at::randn({1, 1, 2, 4});
  const auto none = at::zeros({1, 1, 2, 2}, at::kBool);
  for (auto dtype : {at::kFloat, at::kBFloat16}) {
    const auto input = x.to(dtype);
    const auto y = attention(input, input, input, attention_bias(none, dtype), 1);
    EXPECT_LT(largest_gap(y, input.to(at::kDouble).mean(2, true).expand_as(x)), 0.02);
  }
}

TEST_F(AttentionTest, BiasIsZeroOrTheLowestNumber) {
  const auto may = at::tensor(std::vector<int>{1, 0}).to(at::kBool);
  const auto lowest = [&](at::ScalarType dtype) {
    const auto mask = attention_bias(may, dtype);
    EXPECT_EQ(mask.scalar_type(), dtype);
    EXPECT_EQ(mask[0].item<double>(), 0);
    return mask[1].item<double>();
  };
  EXPECT_EQ(lowest(at::kFloat), std::numeric_limits<float>::lowest());
  EXPECT_EQ(lowest(at::kBFloat16), -0x1.fep127);
  EXPECT_EQ(lowest(at::kHalf), -65504);
}

// A row of bfloat16 scores is exponentiated and summed in float32, and rounded once.
TEST_F(AttentionTest, SoftmaxOfBfloat16IsComputedInFloat32) {
  const auto query = at::randn({1, 2, 300, 8}).to(at::kBFloat16);
  const auto keys = at::randn({1, 2, 300, 8}).to(at::kBFloat16);
  const auto ones = at::eye(300).expand({1, 2, 300, 300}).to(at::kBFloat16);
  const auto scores = at::matmul(query * 2.0, keys.transpose(-1, -2));
  const auto expected = at::softmax(scores.to(at::kFloat), -1).to(at::kBFloat16);
  const auto differ = attention(query, keys, ones, {}, 2).ne(expected).to(at::kFloat).mean();
  EXPECT_LT(differ.item<double>(), 1e-3);
}

TEST_F(AttentionTest, GradientsAgreeWithFiniteDifferences) {
  const auto of_query = [&](const at::Tensor& x) { return attention(x, k, v, bias, 0.5); };
  const auto of_key = [&](const at::Tensor& x) { return attention(q, x, v, bias, 0.5); };
  const auto of_value = [&](const at::Tensor& x) { return attention(q, k, x, bias, 0.5); };
  const auto of_bias = [&](const at::Tensor& x) { return attention(q, k, v, x, 0.5); };
  EXPECT_LT(gradient_error(of_query, q), kGradientTolerance);
  EXPECT_LT(gradient_error(of_key, k), kGradientTolerance);
  EXPECT_LT(gradient_error(of_value, v), kGradientTolerance);
  EXPECT_LT(gradient_error(of_bias, bias), kGradientTolerance);
}

TEST_F(AttentionTest, GroupsShareKeysAndValues) {
  const auto keys = k.slice(1, 0, 2), values = v.slice(1, 0, 2);
  const auto expected = attention_by_loops(q, repeated(keys, 2), repeated(values, 2), bias, 0.5);
  EXPECT_LT(largest_gap(grouped_attention(q, keys, values, bias, 0.5), expected), 1e-5);
  // As many groups as heads are ordinary attention.
  EXPECT_TRUE(at::equal(grouped_attention(q, k, v, bias, 0.5), attention(q, k, v, bias, 0.5)));
  const auto none = at::zeros({1, 1, 1, 1});
  EXPECT_LT(largest_gap(grouped_attention(q, keys, values, {}, 0.5),
                        attention_by_loops(q, repeated(keys, 2), repeated(values, 2), none, 0.5)),
            1e-5);
}

TEST_F(AttentionTest, GradientsOfGroupsAgreeWithFiniteDifferences) {
  const auto keys = k.slice(1, 0, 2).contiguous(), values = v.slice(1, 0, 2).contiguous();
  const auto of_query = [&](const at::Tensor& x) {
    return grouped_attention(x, keys, values, bias, 0.5);
  };
  const auto of_key = [&](const at::Tensor& x) {
    return grouped_attention(q, x, values, bias, 0.5);
  };
  const auto of_value = [&](const at::Tensor& x) {
    return grouped_attention(q, keys, x, bias, 0.5);
  };
  EXPECT_LT(gradient_error(of_query, q), kGradientTolerance);
  EXPECT_LT(gradient_error(of_key, keys), kGradientTolerance);
  EXPECT_LT(gradient_error(of_value, values), kGradientTolerance);
}

TEST(Heads, AreSplitAndMerged) {
  const auto x = at::arange(24, at::kFloat).view({1, 3, 8});
  const auto heads = split_heads(x, 2);
  EXPECT_EQ(heads.sizes(), at::IntArrayRef({1, 2, 3, 4}));
  EXPECT_TRUE(at::equal(heads[0][1][2], x[0][2].slice(0, 4)));
  EXPECT_TRUE(at::equal(merge_heads(heads), x));
}

}  // namespace
}  // namespace emend
