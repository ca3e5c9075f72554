package journey

// The reasons of faults, beside those of conditions; each has code INVALID and the
// path of the culprit.
const (
	ReasonTimeZone    = "BAD_TIME_ZONE"
	ReasonNodeID      = "BAD_NODE_ID"
	ReasonDuplicate   = "DUPLICATE"
	ReasonTooMany     = "TOO_MANY_NODES"
	ReasonNoEntry     = "NO_ENTRY"
	ReasonNoSuchNode  = "NO_SUCH_NODE"
	ReasonEdge        = "BAD_EDGE"
	ReasonNoEdge      = "MISSING_EDGE"
	ReasonUnreachable = "UNREACHABLE"
	ReasonLoop        = "CYCLE_WITHOUT_WAIT"
	ReasonCycle       = "CYCLE" // of sub-journeys
	ReasonWeights     = "BAD_WEIGHTS"
	ReasonLocalTime   = "BAD_LOCAL_TIME"
	ReasonPlaceholder = "UNKNOWN_PLACEHOLDER"
	ReasonURL         = "BAD_URL"
	ReasonTemplate    = "UNKNOWN_TEMPLATE"
	ReasonUnpublished = "UNPUBLISHED_TEMPLATE"
	ReasonChannel     = "WRONG_CHANNEL"
	ReasonFallback    = "MISSING_FALLBACK"
	ReasonPurpose     = "UNKNOWN_PURPOSE"
	ReasonPool        = "UNKNOWN_POOL"
	ReasonJourney     = "UNKNOWN_JOURNEY"
	ReasonRule        = "UNKNOWN_RULE"
	ReasonSecret      = "UNKNOWN_SECRET"
	ReasonNodeMap     = "BAD_NODE_MAP"
)
