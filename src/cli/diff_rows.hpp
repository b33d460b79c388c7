#pragma once
/// What two JSON outputs are compared by: rows that settings name, each with some numbers and what is known of their
/// noise.

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "json_output.hpp"

namespace plumb::cli {

/// What more of a number is.
enum class Sense { faster, slower, better, worse, larger };

/// A number of a row. `error`: standard error, by `degrees` degrees of freedom; nothing where the file does not tell.
struct DiffNumber {
  std::string name, unit;
  double value = 0;
  Sense more = Sense::larger;
  std::optional<double> error;
  double degrees = 1;
  bool exact = false;  ///< counted, not measured: any change is one
};

struct DiffRow {
  std::vector<std::pair<std::string, std::string>> settings;  ///< what makes it this row
  std::vector<DiffNumber> numbers;
};

struct DiffFile {
  std::string path, schema, time;
  Json head;  ///< program, machine, profile and settings
  std::vector<DiffRow> rows;
};

/// Reads what a command wrote: a document, the array of `bench -o json`, or its lines of JSON.
/// @throws Error{io, bad_value, missing_key, wrong_type, unsupported_version} naming the file and the field.
DiffFile read_diff_file(const std::string& path);

/// A number in both files.
struct DiffChange {
  std::string row, name, unit;
  double old_value = 0, new_value = 0;
  double change = 0;  ///< (new - old) / old; 0 where both are 0
  double noise = 0;   ///< as large a change, as a share, says nothing
  std::string verdict;
  double slower = 0;  ///< by so much, as a share, beyond the noise
};

struct Diff {
  std::vector<std::string> conditions;  ///< "machine.cpu: A -> B": what else is different
  std::vector<DiffChange> changes;      ///< all numbers of rows that both files have
  std::vector<std::string> only_old, only_new;
};

/// `noise`: no smaller change counts, as a share; nothing: 2%, and 5% where the files do not tell how much runs differ.
/// @throws Error{invalid_argument} for files of different schemas.
Diff compare(const DiffFile& old_file, const DiffFile& new_file, std::optional<double> noise);

}  // namespace plumb::cli
