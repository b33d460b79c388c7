#include "plumb/model/session.hpp"

#include <algorithm>
#include <string>

#include "plumb/model/forward_pass.hpp"
#include "session_options.hpp"

namespace plumb::inline PLUMB_ABI {
/// What a session is made of.
struct Session::Engine {
  struct Sequence {
    std::vector<Token> read;   // tokens that the state holds
    Token pending = kNoToken;  // generated and handed out, but not read yet
    int logits_row = -1;       // row of the last pass that holds the logits of the last token
    std::vector<float> kept;   // these logits, once a pass has overwritten them that was not this sequence's; or none
  };

  Engine(Model handle, const SessionOptions& options);

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
  void forward(std::span<const BatchRow> rows, PassOutput output);
  void run(std::span<const BatchRow> rows, PassOutput output = PassOutput::logits);
  void make_room(std::span<const BatchRow> rows);
  void read(std::span<const Token> tokens, int s, bool logits);
  void prefill(std::span<const Token> tokens, int s);
  void read_again(int s, std::span<const Token> tokens);
  void repair(int s);
  void truncate(int s, int length);
  void copy(int from, int to, int length);
  std::span<const float> logits(int i) const;
  std::span<const float> last_logits(const Sequence& own) const;
  std::span<const float> made(const Rows& rows, int count, int i, int width, const char* what) const;
  std::span<const float> continuation_logits(int s);

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
  std::vector<BatchRow> chunk;  // rows of one pass of a prefill
  std::vector<int> next;        // next position of each sequence while a batch is checked
};

Session::Engine::Engine(Model handle, const SessionOptions& options)
    : model(std::move(handle)),
      threads(chosen_threads(options)),
      observer(options.observer),
      state(layer_states(spec()),
            {chosen_context(options, spec()), option_in_range("sequences", options.sequences, 1, kMaxSequences),
             chosen_batch(options, spec()), options.kv}),
      scratch(scratch_sizes(spec()), chosen_batch(options, spec()), state.context(), threads),
      ropes(make_rope_tables(model.transformer(), state.context())),
      sequences(static_cast<std::size_t>(options.sequences)),
      at_once(reads_at_once(spec())),
      next(sequences.size()) {
  chunk.reserve(static_cast<std::size_t>(batch()));
  if (spec().output.head) scratch.reserve_logits(options.sequences, spec().vocab_size);
}

const Session::Engine::Sequence& Session::Engine::sequence(int s) const {
  if (s < 0 || s >= n_sequences())
    throw Error(ErrorCode::out_of_range,
                "sequence " + std::to_string(s) + " of a session with " + std::to_string(n_sequences()));
  return sequences[static_cast<std::size_t>(s)];
}

void Session::Engine::check_token(Token token) const {
  if (token < 0 || token >= spec().vocab_size)
    throw Error(ErrorCode::out_of_range,
                "token " + std::to_string(token) + " of a vocabulary of " + std::to_string(spec().vocab_size));
}

/// Where rows see later ones, so many tokens are a whole text, and the first that s reads.
void Session::Engine::check_begins(int s, std::size_t tokens) const {
  if (!at_once) return;
  constexpr const char* kWhy = ": attention sees later positions, so that a text is read in one pass";
  if (length(s) > 0)
    throw Error(ErrorCode::invalid_argument,
                "sequence " + std::to_string(s) + " has read " + std::to_string(length(s)) + " tokens" + kWhy);
  if (tokens > static_cast<std::size_t>(batch()))
    throw Error(ErrorCode::invalid_argument,
                std::to_string(tokens) + " tokens for a batch of " + std::to_string(batch()) + kWhy);
}

void Session::Engine::check(std::span<const BatchRow> rows, PassOutput output) {
  if (rows.empty()) throw Error(ErrorCode::invalid_argument, "a forward pass needs at least one row");
  if (rows.size() > static_cast<std::size_t>(batch()))
    throw Error(ErrorCode::invalid_argument,
                std::to_string(rows.size()) + " rows for a session with a batch of " + std::to_string(batch()));
  for (int s = 0; s < n_sequences(); ++s) next[static_cast<std::size_t>(s)] = length(s);
  for (const BatchRow& row : rows) {
    check_token(row.token);
    sequence(row.sequence);
    check_begins(row.sequence, 1);
    if (row.logits && output == PassOutput::logits && !spec().output.head)
      throw Error(ErrorCode::invalid_argument,
                  "logits of a model that has no head: " + model.source() + " makes embeddings");
    int& position = next[static_cast<std::size_t>(row.sequence)];
    if (row.position != position)
      throw Error(ErrorCode::invalid_argument, "position " + std::to_string(row.position) + " in sequence " +
                                                   std::to_string(row.sequence) + ", expected " +
                                                   std::to_string(position));
    if (position >= context())
      throw Error(ErrorCode::context_overflow, "position " + std::to_string(position) + " in sequence " +
                                                   std::to_string(row.sequence) + ": the context is " +
                                                   std::to_string(context()));
    ++position;
  }
}

void Session::Engine::forward(std::span<const BatchRow> rows, PassOutput output) {
  check(rows, output);
  for (const BatchRow& row : rows) repair(row.sequence);
  run(rows, output);
}

/// Everything that may throw comes before the pass, so that tokens and state cannot disagree.
void Session::Engine::make_room(std::span<const BatchRow> rows) {
  for (const BatchRow& row : rows) {
    Sequence& own = sequence(row.sequence);
    const auto size = static_cast<std::size_t>(row.position) + 1;
    if (own.read.capacity() < size) own.read.reserve(std::max(size, 2 * own.read.capacity()));
    own.logits_row = -1;
    own.kept.clear();
  }
  if (!state.recurrent()) return;  // there, reading the last token again is cheaper
  for (Sequence& own : sequences) {
    if (own.logits_row < 0) continue;
    const std::span<const float> last = logits(own.logits_row);
    own.kept.assign(last.begin(), last.end());
  }
}

void Session::Engine::run(std::span<const BatchRow> rows, PassOutput output) {
  make_room(rows);
  const auto wanted = std::count_if(rows.begin(), rows.end(), [](const BatchRow& row) { return row.logits; });
  const bool makes_logits = output == PassOutput::logits;
  if (makes_logits && wanted > 0)
    scratch.reserve_logits(wanted, spec().vocab_size);
  else
    scratch.reserve_states(wanted, spec().width);
  ForwardPass pass(model.transformer(), ropes, state, scratch, rows, observer ? &observer : nullptr, output);
  if (trace) trace->begin_pass();
  run_parallel(
      threads, [&](const Worker& worker) { pass.run(worker); }, trace);
  if (trace) trace->end_pass();
  for (Sequence& own : sequences) own.logits_row = -1;
  asked = 0;
  for (const BatchRow& row : rows) {
    Sequence& own = sequence(row.sequence);
    own.read.push_back(row.token);
    own.pending = kNoToken;
    own.logits_row = row.logits && makes_logits ? asked++ : -1;
    state.extend(row.sequence, row.position + 1);
  }
  stated = makes_logits ? 0 : static_cast<int>(wanted);
}

std::span<const float> Session::Engine::logits(int i) const {
  return made(scratch.logits, asked, i, spec().vocab_size, "logits");
}

/// Row i of what the last pass made `count` rows of.
std::span<const float> Session::Engine::made(const Rows& rows, int count, int i, int width, const char* what) const {
  if (i < 0 || i >= count)
    throw Error(ErrorCode::out_of_range, std::string(what) + " of row " + std::to_string(i) + ": the last pass has " +
                                             std::to_string(count) + " rows of " + what);
  return {rows.row(i), static_cast<std::size_t>(width)};
}

/// Passes over checked tokens at the end of sequence s; the last asks for logits if wanted, of a model that has them.
void Session::Engine::read(std::span<const Token> tokens, int s, bool logits) {
  for (std::size_t done = 0; done < tokens.size();) {
    const std::size_t count = std::min(tokens.size() - done, static_cast<std::size_t>(batch()));
    chunk.clear();
    for (std::size_t i = done; i < done + count; ++i)
      chunk.push_back({tokens[i], length(s) + static_cast<int>(i - done), s,
                       logits && spec().output.head && i + 1 == tokens.size()});
    run(chunk);
    done += count;
  }
}

void Session::Engine::prefill(std::span<const Token> tokens, int s) {
  repair(s);
  const Token pending = sequence(s).pending;
  if (tokens.empty()) throw Error(ErrorCode::invalid_argument, "no tokens to read: the prompt is empty");
  for (const Token token : tokens) check_token(token);
  check_begins(s, tokens.size());
  const std::size_t total = tokens.size() + (pending == kNoToken ? 0 : 1);
  const std::size_t room = static_cast<std::size_t>(context() - length(s));
  if (total > room)
    throw Error(ErrorCode::context_overflow, std::to_string(total) + " tokens for a context of " +
                                                 std::to_string(context()) + " with room for " + std::to_string(room));
  if (pending == kNoToken) return read(tokens, s, true);
  // What was generated comes before what is new.
  std::vector<Token> all{pending};
  all.insert(all.end(), tokens.begin(), tokens.end());
  read(all, s, true);
}

/// Logits of the last token of a sequence, wherever they are; empty when they are nowhere.
std::span<const float> Session::Engine::last_logits(const Sequence& own) const {
  if (own.logits_row >= 0) return logits(own.logits_row);
  return own.kept;
}

/// Logits of the last token of sequence s: read now if it was only handed out; read again if another pass has
/// overwritten them and nobody has kept them, which gives the same bits.
std::span<const float> Session::Engine::continuation_logits(int s) {
  repair(s);
  Sequence& own = sequence(s);
  if (own.pending != kNoToken) {
    const Token token = own.pending;
    own.pending = kNoToken;
    read({&token, 1}, s, true);
  } else if (last_logits(own).empty()) {
    const Token token = own.read.back();
    truncate(s, length(s) - 1);
    read({&token, 1}, s, true);
  }
  return last_logits(own);
}

/// Makes sequence s one that has read `tokens`, which may be its own. What takes so long to read is not read once more
/// for its logits.
void Session::Engine::read_again(int s, std::span<const Token> tokens) {
  const std::vector<Token> kept(tokens.begin(), tokens.end());
  state.truncate(s, 0);
  sequence(s) = {};
  read(kept, s, state.recurrent());
}

/// Reads the tokens of sequence s again if a pass has left it half changed.
void Session::Engine::repair(int s) {
  const Sequence& own = sequence(s);
  if (state.complete(s)) return;
  const Token pending = own.pending;
  read_again(s, own.read);
  sequence(s).pending = pending;
}

void Session::Engine::truncate(int s, int length) {
  Sequence& own = sequence(s);
  if (length > 0 && length < this->length(s) && (at_once || !state.can_truncate(s, length)))
    return read_again(s, std::span(own.read).first(static_cast<std::size_t>(length)));
  state.truncate(s, length);
  own.pending = kNoToken;
  if (length == this->length(s)) return;
  own.read.resize(static_cast<std::size_t>(length));
  own.logits_row = -1;
  own.kept.clear();
}

void Session::Engine::copy(int from, int to, int length) {
  sequence(to);
  const Sequence& source = sequence(from);
  if (from == to) return truncate(to, length);
  if (length > 0 && length < this->length(from) && (at_once || !state.can_truncate(from, length)))
    return read_again(to, std::span(source.read).first(static_cast<std::size_t>(length)));
  state.copy(from, to, length);
  Sequence& target = sequence(to);
  target.read.assign(source.read.begin(), source.read.begin() + length);
  target.pending = kNoToken;
  target.logits_row = -1;
  target.kept.clear();
  if (!state.recurrent() || length < this->length(from)) return;
  const std::span<const float> last = last_logits(source);
  target.kept.assign(last.begin(), last.end());
}

Session::Session(Model model, const SessionOptions& options)
    : engine_(std::make_unique<Engine>(std::move(model), options)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

const Model& Session::model() const { return engine_->model; }
int Session::context() const { return engine_->context(); }
int Session::threads() const { return engine_->threads; }
int Session::sequences() const { return engine_->n_sequences(); }
int Session::batch() const { return engine_->batch(); }
DType Session::kv_type() const { return engine_->state.kv_type(); }
std::span<const Token> Session::tokens(int s) const { return engine_->sequence(s).read; }
std::size_t Session::state_bytes() const { return engine_->state.bytes(); }
std::size_t Session::bytes() const { return engine_->state.bytes() + engine_->scratch.bytes(); }
int Session::logit_rows() const { return engine_->asked; }
std::span<const float> Session::logits(int i) const { return engine_->logits(i); }
std::span<const float> Session::state(int i) const {
  return engine_->made(engine_->scratch.states, engine_->stated, i, engine_->spec().width, "states");
}

void Session::forward(std::span<const BatchRow> rows, PassOutput output) { engine_->forward(rows, output); }
void Session::prefill(std::span<const Token> tokens, int s) { engine_->prefill(tokens, s); }
void Session::truncate(int s, int length) { engine_->truncate(s, length); }
void Session::copy(int from, int to, int length) { engine_->copy(from, to, length); }

void Session::set_trace(Trace* trace) {
  if (trace) trace->prepare(engine_->threads);
  engine_->trace = trace;
}

Generation Session::generate(const GenerateOptions& options, int s) {
  const SpecChecker check{model().source() + ": "};
  if (engine_->at_once)
    check.fail(ErrorCode::unsupported_architecture,
               "attention sees later positions, so that nothing can be generated; supported: embeddings");
  if (!model().spec().output.head)
    check.fail(ErrorCode::unsupported_architecture,
               "the model has no head, so that nothing can be generated; supported: embeddings");
  return Generation(*this, options, s);
}

Generation::Generation(Session& session, const GenerateOptions& options, int s)
    : session_(&session),
      s_(s),
      max_tokens_(options.max_tokens),
      stop_at_end_(options.stop_at_end),
      sampler_(options.sampling, session.model().spec().vocab_size) {
  const std::span<const Token> read = session.tokens(s);
  if (read.empty())
    throw Error(ErrorCode::invalid_argument,
                "nothing to continue: sequence " + std::to_string(s) + " has read no token");
  if (max_tokens_ < -1)
    throw Error(ErrorCode::invalid_argument, "max_tokens " + std::to_string(max_tokens_) + ": expected -1 or more");
  for (const Token token : read) sampler_.accept(token);
}

Generation::Iterator Generation::begin() {
  advance();
  return Iterator(this);
}

void Generation::advance() {
  if (stop_ != StopReason::none) return;
  if (max_tokens_ >= 0 && made_ >= max_tokens_) {
    stop_ = StopReason::max_tokens;
    return;
  }
  if (session_->engine_->sequence(s_).pending != kNoToken && session_->length(s_) >= session_->context()) {
    stop_ = StopReason::context_full;
    return;
  }
  token_ = sampler_.sample(session_->engine_->continuation_logits(s_));
  const Model& model = session_->model();
  if (stop_at_end_ && model.has_tokenizer() && model.tokenizer().is_end(token_)) {
    stop_ = StopReason::end_token;
    return;
  }
  session_->engine_->sequence(s_).pending = token_;
  ++made_;
}

}  // namespace plumb
