package journey

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Coupons gives codes out, and takes back those that nobody was shown.
type Coupons interface {
	// Take gives a person a code of a pool: for the same key always the same one. Nil is an
	// empty pool. The operations with are committed when the key gets its code, together
	// with that, and not again.
	Take(ctx context.Context, ws, pool, profileID, key string, expires time.Time, with ...store.Op) (*Taken, error)
	// Release makes the code of a key free again, together with operations that demand what
	// that rests on. Without one, or once it is redeemed, nothing happens.
	Release(ctx context.Context, ws, pool, key string, demands ...store.Op) error
}

// Taken is a code that a step has.
type Taken struct {
	Code      string
	ExpiresAt time.Time  // zero: never
	Stands    []store.Op // they fail once the code is anybody else's
}

// couponKind is the kind of the tasks that look after coupons: one for each that was taken.
const couponKind = "journey.coupon"

// keeping is the payload of such a task.
type keeping struct {
	Pool       string    `bson:"pool"`
	Enrollment string    `bson:"enr"`
	Node       string    `bson:"node"`
	Visit      int64     `bson:"visit"`
	At         time.Time `bson:"at"` // when it was taken
}

// stepKey is the key of what an enrollment does once.
func stepKey(enrollment, node string, visit int64) string {
	return enrollment + ":" + node + ":" + strconv.FormatInt(visit, 10)
}

// coupon takes a code: for one step always the same.
func (b *batch) coupon(ctx context.Context, it *item, e *Enrollment, x *Effect, key string) (*Answer, error) {
	if b.s.Coupons == nil {
		return nil, core.Errorf(core.Unavailable, "NO_COUPONS", "there are no coupon pools here")
	}
	// The code is taken before the step commits, which may never come to that: from here on
	// there is something that gives it back.
	look := work.Enqueue(work.Item{
		Kind: couponKind, Workspace: b.ws, Name: core.HashID("coupon", key), DueAt: b.now.Add(minLook),
		Payload: keeping{Pool: x.Coupon.Pool, Enrollment: e.EnrollmentID(), Node: x.Node, Visit: x.Visit, At: b.now},
	})
	got, err := b.s.Coupons.Take(ctx, b.ws, x.Coupon.Pool, it.person.ProfileID(), key, x.Coupon.Expires, look)
	if err != nil {
		return nil, err
	}
	answer := &Answer{For: ForCoupon, Visit: x.Visit}
	if got != nil {
		answer.OK, answer.Code, answer.Expires = true, got.Code, got.ExpiresAt
		it.ops = append(it.ops, got.Stands...)
	}
	return answer, nil
}

// show notes that a message was queued that shows a coupon.
func (e *Enrollment) show(c *Held) {
	shown := map[string]int64{}
	for visit, n := range e.Shown { // the enrollment that was read shares the map
		shown[visit] = n
	}
	shown[strconv.FormatInt(c.Visit, 10)]++
	e.Shown = shown
}

// The least and the longest time between two looks after a coupon, and how long an
// enrollment may take to be there that took one as it entered.
const (
	minLook  = time.Minute
	maxLook  = 24 * time.Hour
	entryFor = 24 * time.Hour
)

// lookAfter gives a coupon back once it is certain that nobody was shown it and nobody will
// be. It rests on what is stored alone, so that whoever dies in the midst of it, or before,
// is followed by another.
func (s *Service) lookAfter(ctx context.Context, l *work.Lease) error {
	var k keeping
	if err := l.Payload(&k); err != nil {
		return work.Permanent(err)
	}
	if s.Coupons == nil {
		return core.Errorf(core.Unavailable, "NO_COUPONS", "there are no coupon pools here")
	}
	ws := l.Task().Workspace
	ctx = core.WithActor(ctx, access.System(ws, "journeys"))
	fate, demands, err := s.fateOf(ctx, ws, &k)
	switch {
	case err != nil:
		return err
	case fate == couponOpen:
		// The older it is, the longer somebody is likely to be on the way.
		now := s.now()
		return l.Reschedule(ctx, now.Add(min(max(now.Sub(k.At)/2, minLook), maxLook)), nil)
	case fate == couponUnseen:
		if err := s.Coupons.Release(ctx, ws, k.Pool, stepKey(k.Enrollment, k.Node, k.Visit), demands...); err != nil {
			return err
		}
	}
	return l.Complete(ctx)
}

// couponFate is what becomes of a coupon that a step took.
type couponFate int

const (
	couponOpen   couponFate = iota // something may still show it
	couponKept                     // somebody was shown it, or may have been
	couponUnseen                   // nobody was, and nobody will be
)

// fateOf finds out what became of a coupon, and what is to be demanded of that.
func (s *Service) fateOf(ctx context.Context, ws string, k *keeping) (couponFate, []store.Op, error) {
	key := store.Key(ws, k.Enrollment)
	e, err := Enrollments.Get(ctx, s.Store, key)
	if err != nil {
		return couponOpen, nil, err
	}
	list, err := message.Messages.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("enrollment", k.Enrollment)}}, 0)
	if err != nil {
		return couponOpen, nil, err
	}
	fate, found := couponUnseen, int64(0)
	for _, m := range list {
		switch {
		case m.Coupon != k.Visit:
			continue
		case !m.Status.Over():
			fate = couponOpen
		case !m.NeverLeft():
			return couponKept, nil, nil
		}
		found++
	}
	if e == nil { // the step that was to bring the person in has not committed
		if s.now().Sub(k.At) < entryFor {
			fate = couponOpen
		}
		return fate, []store.Op{Enrollments.Absent(key)}, nil
	}
	i := slices.IndexFunc(e.State.Coupons, func(h Held) bool { return h.Node == k.Node && (h.Visit == k.Visit || h.Visit == 0) })
	switch {
	case i >= 0 && (e.State.Coupons[i].Out || e.State.Coupons[i].Visit == 0): // 0: written by an earlier release, which did not count
		return couponKept, nil, nil
	case found < e.Shown[strconv.FormatInt(k.Visit, 10)]: // what became of the others was deleted
		return couponKept, nil, nil
	case !e.Ended():
		fate = couponOpen
	}
	return fate, nil, nil
}
