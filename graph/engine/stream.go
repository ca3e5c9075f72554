package engine

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

type endKey struct{}

// streamEnd carries why a subscription ended from its resolver to its transport.
type streamEnd struct {
	mu  sync.Mutex
	err error
}

func (s *streamEnd) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// EndStream tells the client why the subscription of ctx ends. The resolver calls
// it before it closes its channel.
func EndStream(ctx context.Context, err error) {
	if s, ok := ctx.Value(endKey{}).(*streamEnd); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = err
	}
}

// unwritten is an answer of a subscription of which the audit log does not know yet.
// notes is nil when nothing ran for it.
type unwritten struct {
	answer *graphql.Response
	notes  *relay
	cause  error // why it has no data
}

// answersAhead is how many answers of a subscription are made while those before them
// are written down and sent: what is ready at once shares an entry of the audit log, and
// so an fsync.
const answersAhead = 64

// stream sends the answers of a subscription in their order, each when the log has it.
func (o *Operation) stream(ctx context.Context, responses graphql.ResponseHandler, end *streamEnd, send func(*graphql.Response) error) gqlerror.List {
	ctx, cancel := context.WithCancel(ctx)
	made := make(chan *unwritten, answersAhead)
	go func() {
		defer close(made)
		for {
			o.last = nil
			answer := responses(ctx)
			if answer == nil {
				return
			}
			next := o.last
			if next == nil { // it was refused before anything ran
				next = &unwritten{answer: answer}
			}
			select {
			case made <- next:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		cancel()
		for range made { // wait for the goroutine: it uses o
		}
	}()
	for first := range made {
		list, err := o.pass(ctx, ready(first, made), send)
		if list != nil || err != nil {
			return list
		}
	}
	if err := end.reason(); err != nil {
		return o.engine.Refuse(ctx, err)
	}
	return nil
}

// ready returns what is made by now.
func ready(first *unwritten, made <-chan *unwritten) []*unwritten {
	out := []*unwritten{first}
	for len(out) < answersAhead {
		select {
		case next, ok := <-made:
			if !ok {
				return out
			}
			out = append(out, next)
		default:
			return out
		}
	}
	return out
}

// pass writes down what is told of some answers and sends them. The list is why the
// subscription ends with them; an error says that nobody hears.
func (o *Operation) pass(ctx context.Context, answers []*unwritten, send func(*graphql.Response) error) (gqlerror.List, error) {
	told := answers
	for i, a := range answers {
		if a.cause != nil || a.notes == nil {
			told = answers[:i]
			break
		}
	}
	if len(told) > 0 {
		if err := o.write(ctx, told, nil); err != nil {
			return o.engine.Refuse(ctx, err), nil
		}
	}
	for _, a := range told {
		if err := send(tidy(a.answer)); err != nil {
			return nil, err
		}
	}
	if len(told) == len(answers) {
		return nil, nil
	}
	odd := answers[len(told)]
	switch {
	case odd.notes == nil:
		o.engine.denied(ctx, o.told.action, o.told.resource, odd.answer.Errors)
	default:
		if err := o.write(ctx, answers[len(told):len(told)+1], odd.cause); err != nil {
			return o.engine.Refuse(ctx, err), nil
		}
	}
	if odd.answer.Data == nil && len(odd.answer.Errors) > 0 {
		return odd.answer.Errors, nil
	}
	if err := send(tidy(odd.answer)); err != nil {
		return nil, err
	}
	if rest := answers[len(told)+1:]; len(rest) > 0 {
		return o.pass(ctx, rest, send)
	}
	return nil, nil
}

// write writes one entry of what was noted for some answers.
func (o *Operation) write(ctx context.Context, answers []*unwritten, cause error) error {
	ctx, trail := o.trail(ctx)
	for _, a := range answers {
		if err := a.notes.tell(ctx, trail); err != nil {
			return err
		}
	}
	return trail.Close(ctx, cause)
}
