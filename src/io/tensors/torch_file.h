#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/tensors/tensor_file.h"

namespace emend {

// The tensors of a file that torch.save wrote (.pth, .pt, .bin), memory-mapped private and
// read-only; in torch's zip layout or the older one of pickles with raw storages behind them.
//
// Such a file is a pickle, which in Python can run any program. Here nothing is run: only dicts,
// lists, numbers, texts and tensors are understood, and every function or class outside of a short
// list is refused by name wherever it stands. Objects of a few harmless classes that training
// scripts leave beside the weights (argparse.Namespace, omegaconf, numpy's numbers, paths) are
// carried as inert data and refused, too, when they stand where tensors are read.
class TorchFile : public TensorFile {
 public:
  // Reads the dict of tensors under the first of `keys` that the saved dict has (such as `model`),
  // or the saved dict itself. Throws emend::Error when the file is damaged, cut short, no
  // checkpoint (says what it looks like), or holds anything but tensors there; when a tensor goes
  // outside of its storage or a storage is missing.
  static std::shared_ptr<const TorchFile> open(const std::string& path,
                                               const std::vector<std::string>& keys = {});

  // Which of the keys was read; empty: the dict itself.
  const std::string& key() const { return key_; }

 protected:
  std::string key_;
};

}  // namespace emend
