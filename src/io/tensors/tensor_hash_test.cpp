#include "io/tensors/tensor_hash.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

std::string tensor_hash_of(const at::Tensor& tensor) {
  Hasher hash;
  update_tensor(hash, tensor);
  return hash.hex();
}

TEST(TensorHash, DependsOnValuesShapeAndDtype) {
  const auto tensor = at::arange(6, at::kFloat).view({2, 3});
  EXPECT_EQ(tensor_hash_of(tensor), tensor_hash_of(tensor.t().contiguous().t()));
  EXPECT_NE(tensor_hash_of(tensor), tensor_hash_of(tensor + 1));
  EXPECT_NE(tensor_hash_of(tensor), tensor_hash_of(tensor.view({3, 2})));
  EXPECT_NE(tensor_hash_of(at::zeros({4}, at::kFloat)), tensor_hash_of(at::zeros({4}, at::kInt)));
  EXPECT_NE(tensor_hash_of({}), tensor_hash_of(at::empty({0})));
}

TEST(Hasher, SizedTextsOfOneConcatenationDiffer) {
  EXPECT_NE(Hasher().update_sized("ab").update_sized("c").hex(),
            Hasher().update_sized("a").update_sized("bc").hex());
}

}  // namespace
}  // namespace emend
