package insight

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// The bounds of a sketch.
const (
	// MaxExact is up to how many people a sketch knows each.
	MaxExact = 256
	// registerBits makes 2048 registers: the standard error is 1.04/√2048, 2.3 %.
	registerBits = 11
	registers    = 1 << registerBits
)

// StandardError is that of an estimated number of people. Source: P. Flajolet, É. Fusy,
// O. Gandouet, F. Meunier, HyperLogLog: the analysis of a near-optimal cardinality
// estimation algorithm, AofA 2007.
const StandardError = 0.023

// sketch is a set of people, of which it keeps 64 bits of a hash each while they are few
// and the registers of a HyperLogLog from then on. The zero sketch is empty. Sketches are
// never taken from; the union of two is the same in whatever order.
type sketch struct {
	few  []uint64 // sorted
	many []byte   // a register each; nil while exact
}

// hashOf returns what stands for a person in the sketches of a workspace.
func hashOf(ws, part string) uint64 {
	h := sha256.Sum256([]byte(ws + "\x00" + part))
	return binary.BigEndian.Uint64(h[:])
}

// exact reports whether the sketch knows each of its people.
func (s *sketch) exact() bool { return s.many == nil }

// add adds a person and reports whether the sketch is another one now. bound is up to how
// many people it knows each.
func (s *sketch) add(h uint64, bound int) bool {
	if s.many != nil {
		return s.register(h)
	}
	i, found := slices.BinarySearch(s.few, h)
	if found {
		return false
	}
	s.few = slices.Insert(s.few, i, h)
	if len(s.few) > bound {
		s.blur()
	}
	return true
}

// blur turns to registers.
func (s *sketch) blur() {
	s.many = make([]byte, registers)
	for _, h := range s.few {
		s.register(h)
	}
	s.few = nil
}

func (s *sketch) register(h uint64) bool {
	i := h >> (64 - registerBits)
	rank := byte(bits.LeadingZeros64(h<<registerBits|1<<(registerBits-1)) + 1) //nolint:gosec // at most 54
	if s.many[i] >= rank {
		return false
	}
	s.many[i] = rank
	return true
}

// union adds the people of another sketch.
func (s *sketch) union(o *sketch, bound int) (changed bool) {
	if o.many != nil && s.many == nil {
		s.blur()
		changed = true
	}
	if all := len(s.few) + len(o.few); s.exact() && len(o.few) > 16 && all <= bound {
		had := len(s.few)
		both := append(slices.Grow(slices.Clone(s.few), len(o.few)), o.few...)
		slices.Sort(both)
		s.few = slices.Compact(both)
		return changed || len(s.few) > had
	}
	for _, h := range o.few {
		changed = s.add(h, bound) || changed
	}
	for i, rank := range o.many {
		if s.many[i] < rank {
			s.many[i], changed = rank, true
		}
	}
	return changed
}

// clone returns a copy that shares nothing.
func (s *sketch) clone() sketch { return sketch{slices.Clone(s.few), slices.Clone(s.many)} }

// count returns how many people there are: exactly, or as the registers estimate it.
func (s *sketch) count() int64 {
	if s.many == nil {
		return int64(len(s.few))
	}
	const m = float64(registers)
	var sum float64
	zeros := 0
	for _, rank := range s.many {
		sum += math.Ldexp(1, -int(rank))
		if rank == 0 {
			zeros++
		}
	}
	estimate := 0.7213 / (1 + 1.079/m) * m * m / sum
	if estimate <= 2.5*m && zeros > 0 { // linear counting is better for few
		estimate = m * math.Log(m/float64(zeros))
	}
	return int64(math.Round(estimate))
}

// both returns how many people are in two sketches: exactly where both know each, else by
// inclusion and exclusion, whose error is that of the union.
func both(a, b *sketch) int64 {
	if a.exact() && b.exact() {
		var n int64
		for _, h := range a.few {
			if _, found := slices.BinarySearch(b.few, h); found {
				n++
			}
		}
		return n
	}
	u := a.clone()
	u.union(b, math.MaxInt)
	na, nb := a.count(), b.count()
	return min(max(na+nb-u.count(), 0), na, nb)
}

// bytes returns the sketch as it is stored.
func (s *sketch) bytes() []byte {
	if s.many != nil {
		return s.many
	}
	out := make([]byte, 0, 8*len(s.few))
	for _, h := range s.few {
		out = binary.BigEndian.AppendUint64(out, h)
	}
	return out
}

// sketchOf reads what bytes returned.
func sketchOf(raw []byte, many bool) sketch {
	if many && len(raw) == registers {
		return sketch{many: slices.Clone(raw)}
	}
	s := sketch{few: make([]uint64, 0, len(raw)/8)}
	for ; len(raw) >= 8; raw = raw[8:] {
		s.few = append(s.few, binary.BigEndian.Uint64(raw))
	}
	return s
}
