package insight

import (
	"math/rand/v2"
	"strconv"
	"sync"
)

// lanes gives each unit that is under way a lane of its own, so that units of one process
// do not write the same documents of people.
type lanes struct {
	mu   sync.Mutex
	tag  string // of the process; two processes may share one, and then race at times
	used []bool
}

// tags is among how many names a process takes one. Each makes documents of its own, of
// which a question reads all.
const tags = 8

func newLanes() *lanes { return &lanes{tag: string(rune('a' + rand.IntN(tags)))} }

func (l *lanes) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, used := range l.used {
		if !used {
			l.used[i] = true
			return l.tag + strconv.Itoa(i)
		}
	}
	l.used = append(l.used, true)
	return l.tag + strconv.Itoa(len(l.used)-1)
}

func (l *lanes) give(lane string) {
	i, err := strconv.Atoi(lane[1:])
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used[i] = false
}

// maxRemembered bounds what a process remembers of cells and of sketches.
const (
	maxCells  = 50_000
	maxPeople = 4_000
)

// known remembers which cells are stored.
type known struct {
	mu   sync.Mutex
	keys map[string]struct{}
}

func (k *known) has(key string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, ok := k.keys[key]
	return ok
}

func (k *known) add(keys []string) {
	if len(keys) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil || len(k.keys) >= maxCells {
		k.keys = map[string]struct{}{}
	}
	for _, key := range keys {
		k.keys[key] = struct{}{}
	}
}

func (k *known) drop(keys []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range keys {
		delete(k.keys, key)
	}
}

// remembered holds the sketches that this process wrote or read last.
type remembered struct {
	mu   sync.Mutex
	docs map[string]*crowd
}

func (r *remembered) get(key string) (*crowd, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.docs[key]
	return c, ok
}

func (r *remembered) put(docs map[string]*crowd) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.docs == nil || len(r.docs)+len(docs) > maxPeople {
		r.docs = map[string]*crowd{}
	}
	for key, c := range docs {
		if c.V > 0 {
			r.docs[key] = c
		}
	}
}

func (r *remembered) drop(docs map[string]*crowd) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range docs {
		delete(r.docs, key)
	}
}
