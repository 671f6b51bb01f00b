#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/tensors/tensor_file.h"

namespace emend {

// The tensors of a file that torch.save wrote (.pth, .pt, .bin), memory-mapped private and
// read-only. Both layouts are read: zip, and the older one of pickles followed by raw storages.
//
// Such a file is a pickle, which can run any program in Python. Here nothing is executed: only
// dicts, lists, numbers, strings and tensors are supported, and every function or class that is not
// in a short list is refused by name. Objects of a few harmless classes that training scripts store
// (argparse.Namespace, omegaconf, numpy scalars, paths) are read as inert data, and refused where a
// tensor is expected.
class TorchFile : public TensorFile {
 public:
  // Reads the dict of tensors under the first of `keys` (such as `model`) that the saved dict has,
  // or the saved dict itself. Throws emend::Error if the file is damaged, truncated, or not a
  // checkpoint (the error says what it seems to be), if the dict contains anything but tensors, if
  // a tensor exceeds its storage, or if a storage is missing.
  static std::shared_ptr<const TorchFile> open(const std::string& path,
                                               const std::vector<std::string>& keys = {});

  // The key that was read; empty: the saved dict itself.
  const std::string& key() const { return key_; }

 protected:
  std::string key_;
};

}  // namespace emend
