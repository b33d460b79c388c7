#pragma once
/// What a session is made of.

#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "plumb/model/forward_pass.hpp"
#include "plumb/model/session.hpp"

namespace plumb::inline PLUMB_ABI {

/// What may end a reading, and who hears of it.
struct ReadWatch {
  std::stop_token cancel = {};
  std::function<void(double)> progress = {};
};

struct SessionEngine {
  struct Sequence {
    std::vector<Token> read;  // its tokens; the state holds the first of them, and the others are read when needed
    int logits_row = -1;      // row of the last pass that holds the logits of the last token that was read
    std::vector<float> kept;  // these logits, once a pass has overwritten them that was not this sequence's; or none
  };

  SessionEngine(Model handle, const SessionOptions& options);

  const ModelSpec& spec() const { return model.spec(); }
  int context() const { return state.context(); }
  int n_sequences() const { return state.sequences(); }
  int batch() const { return scratch.max_rows(); }
  int length(int s) const { return static_cast<int>(sequence(s).read.size()); }
  const Sequence& sequence(int s) const;
  Sequence& sequence(int s) { return const_cast<Sequence&>(std::as_const(*this).sequence(s)); }

  void check_token(Token token) const;
  void check(std::span<const BatchRow> rows, PassOutput output);
  void check_begins(int s, std::size_t tokens) const;
  ReadResult forward(std::span<const BatchRow> rows, PassOutput output, const std::stop_token& cancel);
  ReadResult run(std::span<const BatchRow> rows, PassOutput output, const std::stop_token& cancel);
  void keep_checkpoint(int s);
  void make_room(std::span<const BatchRow> rows, PassOutput output);
  ReadResult read(int s, std::span<const Token> more, bool logits, const ReadWatch& watch = {});
  ReadResult prefill(std::span<const Token> tokens, int s, const ReadWatch& watch);
  ReadResult read_to_continue(int s, const std::stop_token& cancel);
  void settle(int s);
  void forget_logits(Sequence& own);
  void rewind(int s, int length);
  void truncate(int s, int length);
  void copy(int from, int to, int length);
  void remove(int s, int first, int last);
  std::span<const float> logits(int i) const;
  std::span<const float> last_logits(const Sequence& own) const;
  std::span<const float> made(const Rows& rows, int count, int i, int width, const char* what) const;

  Model model;
  int threads = 1;
  ActivationObserver observer;
  Trace* trace = nullptr;
  SessionState state;
  Scratch scratch;
  std::vector<ops::RopeTable> ropes;
  std::vector<Sequence> sequences;
  bool at_once = false;         // a text is read in one pass
  int asked = 0;                // rows of the last pass that asked for logits
  int stated = 0;               // or for states
  std::uint64_t rows_read = 0;  // of all passes
  std::vector<BatchRow> chunk;  // rows of one pass of a prefill
  std::vector<int> next;        // next position of each sequence while a batch is checked
};

}  // namespace plumb
