#pragma once
/// A config.json: which family it is of, its fields with those that transformers fills in, and the spec that they make.

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "keys.hpp"
#include "plumb/model/spec.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {

class Config {
 public:
  /// `where` stands for the file in messages. @throws as spec_from_json.
  Config(std::string_view text, std::string_view where);
  ~Config();
  Config(const Config&) = delete;
  Config& operator=(const Config&) = delete;

  const Family& family() const { return *family_; }
  /// Fields of the model, absent ones filled in.
  const Keys& keys() const { return *keys_; }
  /// Fields of the file itself, of which a model may be a part.
  const JsonFields& file() const { return *file_; }
  /// A sentence for each part that is no text model: what sees or hears.
  std::vector<std::string> other_parts() const;
  /// What the fields say. It has not been checked.
  ModelSpec read() const;

 private:
  std::unique_ptr<nlohmann::json> root_, filled_;
  std::unique_ptr<JsonFields> file_;
  const Family* family_ = nullptr;
  const ModelType* type_ = nullptr;
  std::unique_ptr<Keys> keys_;
};

}  // namespace plumb::family
