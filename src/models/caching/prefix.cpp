#include "models/caching/prefix.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "io/error.h"
#include "io/files/file.h"
#include "io/runtime.h"
#include "io/tensors/tensor_hash.h"

namespace emend {
namespace {

// Bits depend on the program, LibTorch, its BLAS, and the instructions that they use.
const std::string& build() {
  static const std::string build = [] {
    std::string program;
    try {
      program = hash_hex(read_file("/proc/self/exe"));
    } catch (const Error&) {  // some sandboxes hide the file; the version is used instead
    }
    const auto blas = find_blas();
    return fmt::format("emend {} {}, {}, {} {}", EMEND_VERSION, program,
                       hash_hex(at::show_config()), blas.library, blas.kernels);
  }();
  return build;
}

// All fields of a pass before the first stage.
std::string content_of(const Pass& pass) {
  Hasher hash;
  for (const auto& picture : pass.pixels) update_tensor(hash, picture);
  for (const auto* tensor :
       {&pass.ids, &pass.mask, &pass.segments, &pass.positions, &pass.rotary_positions,
        &pass.image_positions, &pass.image_source, &pass.image_rows})
    update_tensor(hash, *tensor);
  return hash.hex();
}

// The first stage that the interventions change after the request interventions.
size_t first_changed_in_run(const Model& model, const Interventions& interventions) {
  Interventions in_run;
  std::copy_if(interventions.begin(), interventions.end(), std::back_inserter(in_run),
               [](const Intervention& i) { return i.point != Point::request; });
  return first_changed_stage(model, in_run);
}

StoreEntry flow_of(const Pass& pass) {
  StoreEntry entry{{{"hidden", pass.hidden}}, {}};
  if (pass.attention.defined()) {
    entry.tensors["attention"] = pass.attention;
    // Of the language module; before it, features belong to the connector, whose states are not
    // stored.
    if (pass.features.defined()) entry.tensors["features"] = pass.features;
  }
  if (!pass.picture_lengths.empty())
    entry.tensors["picture_lengths"] = at::tensor(pass.picture_lengths, at::kLong);
  return entry;
}

void set_flow(Pass& pass, const StoreEntry& entry, size_t next) {
  const auto get = [&](const char* name) {
    const auto found = entry.tensors.find(name);
    return found == entry.tensors.end() ? at::Tensor() : found->second.to(pass.ids.device());
  };
  pass.hidden = get("hidden");
  pass.attention = get("attention");
  pass.features = get("features");
  pass.picture_lengths.clear();
  if (const auto found = entry.tensors.find("picture_lengths"); found != entry.tensors.end()) {
    const auto* lengths = found->second.data_ptr<int64_t>();
    pass.picture_lengths.assign(lengths, lengths + found->second.numel());
  }
  pass.next = next;
}

}  // namespace

std::string store_key(const Vlm& vlm, const std::string& what) {
  const auto& model = *vlm.model;
  return fmt::format("{}\nmodel {} in {} from {} on {} with {} threads\n{}", what,
                     vlm.fingerprint(), at::toString(model.dtype()),
                     at::toString(vlm.precision.weights), model.device().str(),
                     at::get_num_threads(), build());
}

at::Tensor picture_features(const Vlm& vlm, const Pictures& pixels, ActivationStore* store) {
  if (pixels.size() != 1)
    throw Error("models::prefix",
                fmt::format("picture features need one picture, but there are {}", pixels.size()),
                "encode one picture at a time");
  const auto& model = *vlm.model;
  std::string key;
  if (store) {
    Hasher content;
    update_tensor(content, pixels[0].unsqueeze(0));
    key = store_key(vlm, "features of picture " + content.hex());
    if (const auto entry = store->find(key))
      return entry->tensors.at("features").to(model.device());
  }
  at::NoGradGuard no_grad;
  Pass pass;
  pass.pixels = pixels.to(model.device());
  if (const auto connector = model.first_stage(Module::connector); connector > 0)
    model.run(pass, connector - 1);
  if (store) store->put(key, {{{"features", pass.hidden}}, {}});
  return pass.hidden;
}

void set_image_features(const Vlm& vlm, Pass& pass, ActivationStore* store) {
  std::vector<at::Tensor> features;
  for (int64_t i = 0; i < pass.pixels.size(); ++i)
    features.push_back(picture_features(vlm, pass.pixels.narrow(i, 1), store));
  pass.set_picture_states(features);
  pass.next = vlm.model->first_stage(Module::connector);
}

Pass forward_until(const Vlm& vlm, const Batch& batch, size_t first,
                   const Interventions& interventions, ActivationStore* store, PadSide pad) {
  at::NoGradGuard no_grad;
  const auto& model = *vlm.model;
  auto pass = model.collate(batch, pad);
  const auto connector = model.first_stage(Module::connector);
  const bool looks = pass.pixels.defined();
  const auto language = model.first_stage(Module::language);
  const bool runs = first > (looks ? 0 : language);
  if (!runs) {
    if (first > 0) model.run(pass, first - 1);  // a text-only pass skips the earlier stages
    return pass;
  }
  const auto changed = store ? first_changed_in_run(model, interventions) : 0;
  // Within the connector, a state also has picture features, which are stored separately.
  const bool all_known = changed >= first && (first < connector || first >= language);
  std::string key;
  if (all_known) {
    key = store_key(vlm, fmt::format("pass before stage {} of batch {}", first, content_of(pass)));
    if (const auto entry = store->find(key)) {
      set_flow(pass, *entry, first);
      return pass;
    }
  }
  if (looks && changed >= connector && first >= connector) {
    set_image_features(vlm, pass, store);
  }
  model.run(pass, first - 1, interventions);
  if (all_known) store->put(key, flow_of(pass));
  return pass;
}

}  // namespace emend
