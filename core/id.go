package core

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"sync"
	"time"
)

// Prefixes of the typed identifiers. A new kind of thing adds its prefix here, so
// that no two kinds can share one.
const (
	PrefixWorkspace  = "ws"
	PrefixProfile    = "prof"
	PrefixEvent      = "evt"
	PrefixMerge      = "mrg"
	PrefixProposal   = "prop"
	PrefixSeparation = "sep"
	PrefixRelease    = "rel" // of an identifier from a person
	PrefixJob        = "job"
	PrefixImport     = "imp"
	PrefixKey        = "key"
	PrefixSource     = "src"
	PrefixQuarantine = "qua"
	PrefixBatch      = "bat"
	PrefixRequest    = "req"
	PrefixMessageID  = "mid" // a message id that the server made
	PrefixDeadTask   = "dead"
	PrefixRunner     = "run"
	PrefixObjectType = "oty" // and the key of the type
	PrefixRecord     = "rec" // see core/object: holds the type and a hash of the external id
	PrefixSegment    = "seg"
	PrefixChange     = "chg" // of a membership
	PrefixKept       = "kpt" // of a condition that is not a segment's

	PrefixMember        = "mem"
	PrefixInvitation    = "inv"
	PrefixGlass         = "gls" // of a request by which the glass was broken
	PrefixApproval      = "apr"
	PrefixDangerous     = "dgr" // something dangerous that waits for an approval
	PrefixPolicyVersion = "plv" // of the rules of who may do what
	PrefixAudit         = "aud" // of an entry of the audit log
	PrefixConsent       = "con" // of an entry of the consent ledger
	PrefixReceipt       = "rcp" // of a consent decision
	PrefixSuppression   = "sup"
	PrefixDocument      = "pol" // of a policy document
	PrefixProcessor     = "prc"
	PrefixPrivacy       = "dsr"  // of a data subject's request
	PrefixHold          = "hold" // of a legal hold
	PrefixRetention     = "ret"  // of a retention rule
	PrefixProcessing    = "rpa"  // of a version of the record of processing activities
	PrefixConnection    = "cnn"
	PrefixSync          = "syn"
	PrefixSyncRun       = "srn"
	PrefixDeadLetter    = "ddl" // a record that a sync could not carry over
	PrefixLink          = "lnk"
	PrefixHook          = "hok" // a webhook that came
	PrefixTemplate      = "tpl"
	PrefixBlock         = "blk" // a part that templates share
	PrefixAsset         = "ast"
	PrefixMessage       = "msg" // something that we send
	PrefixCampaign      = "cmp"
	PrefixJourney       = "jrn"
	PrefixEnrollment    = "enr" // of one person in a journey

	PrefixCouponPool = "cpl"
	PrefixExperiment = "exp"
	PrefixForm       = "frm"
	PrefixSubmission = "sbm" // of a form
)

// crockford is the ULID alphabet (https://github.com/ulid/spec): base 32 without
// I, L, O and U, in ascending byte order so that text order is binary order.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewID returns a new identifier of the form prefix_ULID, for example
// "prof_01JD2Q3V8Z7F4M5N6P7Q8R9S0T". Identifiers made later sort later, to the
// millisecond of at; the low 80 bits are random.
func NewID(prefix string, at time.Time) string {
	var b [16]byte
	putMillis(&b, at)
	entropy.read(b[6:])
	return prefix + "_" + encodeULID(b)
}

// HashID returns the identifier that belongs to the given parts for ever: the
// same parts give the same id. Its 128 bits are the head of a SHA-256 over the
// length-prefixed parts, so that ("ab","c") and ("a","bc") differ.
func HashID(prefix string, parts ...string) string {
	h := sha256.New()
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	var b [16]byte
	copy(b[:], h.Sum(nil))
	return prefix + "_" + encodeULID(b)
}

// NewWorkspaceID returns a short workspace id, "ws_" and 10 characters (50
// random bits). It is shorter than other ids because every key and every index
// entry of the store begins with it; the claim on the workspace's document makes
// it unique.
func NewWorkspaceID() string {
	var b [10]byte
	entropy.read(b[:])
	for i := range b {
		b[i] = crockford[b[i]&31]
	}
	return PrefixWorkspace + "_" + string(b[:])
}

// IDPrefix returns the part of id before the underscore, or "" when id is not
// a typed identifier.
func IDPrefix(id string) string {
	prefix, rest, ok := strings.Cut(id, "_")
	if !ok || rest == "" {
		return ""
	}
	return prefix
}

// Pack returns the prefix and the 128 bits of an identifier that NewID or HashID
// made: 16 bytes where text takes 31. False for any other text.
func Pack(id string) (prefix string, bits [16]byte, ok bool) {
	prefix, text, ok := strings.Cut(id, "_")
	if !ok || len(text) != 26 || text[0] > '7' {
		return "", bits, false
	}
	var hi, lo uint64
	for i := range len(text) {
		v := strings.IndexByte(crockford, text[i])
		if v < 0 {
			return "", bits, false
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(v)
	}
	binary.BigEndian.PutUint64(bits[:8], hi)
	binary.BigEndian.PutUint64(bits[8:], lo)
	return prefix, bits, true
}

// Unpack is the reverse of Pack.
func Unpack(prefix string, bits [16]byte) string { return prefix + "_" + encodeULID(bits) }

func putMillis(b *[16]byte, at time.Time) {
	ms := uint64(max(at.UnixMilli(), 0))
	b[0], b[1], b[2] = byte(ms>>40), byte(ms>>32), byte(ms>>24)
	b[3], b[4], b[5] = byte(ms>>16), byte(ms>>8), byte(ms)
}

// encodeULID writes 128 bits as 26 characters, 5 bits each, the first holding 3.
func encodeULID(b [16]byte) string {
	var out [26]byte
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	for i := 25; i >= 0; i-- {
		out[i] = crockford[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out[:])
}

// entropy buffers the system's random source: an id costs no system call.
var entropy entropyPool

type entropyPool struct {
	mu   sync.Mutex
	buf  [1024]byte
	left int
}

func (p *entropyPool) read(out []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left < len(out) {
		_, _ = rand.Read(p.buf[:]) // crypto/rand.Read never fails since Go 1.24
		p.left = len(p.buf)
	}
	start := len(p.buf) - p.left
	copy(out, p.buf[start:start+len(out)])
	p.left -= len(out)
}
