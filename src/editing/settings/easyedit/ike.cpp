#include "editing/settings/easyedit/algorithm.h"

// The files of hparams/IKE. Those for vision-language models have a task_name.
namespace emend::easyedit {
namespace {

using nlohmann::json;

void finish_ike(File& file) {
  // EasyEdit uses the edit itself as a demonstration only for vision-language models.
  if (!file.values.contains("task_name")) file.settings["copy_demonstration"] = false;
  if (file.values.value("use_icl_examples", json(true)) == json(false)) file.settings["k"] = 0;
}

}  // namespace

Algorithm ike() {
  const std::string folder = "-m sets the model folder, which has all parts";
  const std::string corpus =
      "demonstrations come from the file that `emend train --editor ike` wrote";
  auto examples = [](File& file, const json& value) {
    if (!value.is_boolean()) file.wrong("use_icl_examples", "true or false");
  };
  const auto sentence_model =
      encoder("sentence_model_name",
              "the folder does not exist; the embedding of the collected demonstrations is used",
              [](File& file, const std::string& found) { file.settings["embedding"] = found; });
  return {"IKE",
          "ike",
          // EasyEdit's default if a file has no k.
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
           ignore("device", "--device sets the device"),
           ignore("model_parallel", "--device sets the device"),
           ignore("exact_match", "the protocol sets how answers are judged"),
           ignore("coco_image", "--images sets the folder"),
           ignore("rephrase_image", "--rephrase-images sets the folder")},
          finish_ike,
          {}};
}

}  // namespace emend::easyedit
