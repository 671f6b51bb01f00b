#include "editing/settings/easyedit/algorithm.h"

// The files of hparams/IKE, those of models with pictures (they say a task_name) among them.
namespace emend::easyedit {
namespace {

using nlohmann::json;

void finish_ike(File& file) {
  // EasyEdit shows the edit itself as a demonstration to models with pictures alone.
  if (!file.values.contains("task_name")) file.settings["own"] = false;
  if (file.values.value("use_icl_examples", json(true)) == json(false)) file.settings["k"] = 0;
}

}  // namespace

Algorithm ike() {
  const std::string folder = "-m names the model's folder, which says all";
  const std::string corpus = "demonstrations are chosen from what `emend train --editor ike` wrote";
  auto examples = [](File& file, const json& value) {
    if (!value.is_boolean()) file.wrong("use_icl_examples", "true or false");
  };
  const auto sentence_model =
      encoder("sentence_model_name",
              "there is no such folder here; demonstrations are compared as they were collected",
              [](File& file, const std::string& found) { file.settings["embedding"] = found; });
  return {"IKE",
          "ike",
          // EasyEdit's own, where a file has no k.
          {{"k", 16}},
          {later("alg_name"),
           later("model_name"),
           copy("k", "k"),
           {"use_icl_examples", examples, {}},
           ignore("task_name", corpus),
           ignore("results_dir", corpus),
           sentence_model,
           ignore("name", folder),
           ignore("model_class", folder),
           ignore("tokenizer_class", folder),
           ignore("tokenizer_name", folder),
           ignore("qformer_checkpoint", folder),
           ignore("qformer_name_or_path", folder),
           ignore("state_dict_file", folder),
           ignore("pretrained_ckpt", folder),
           ignore("device", "--device says where to compute"),
           ignore("model_parallel", "--device says where to compute"),
           ignore("exact_match", "the protocol says how answers are judged"),
           ignore("coco_image", "--images names the folder"),
           ignore("rephrase_image", "--rephrase-images names the folder")},
          finish_ike,
          {}};
}

}  // namespace emend::easyedit
