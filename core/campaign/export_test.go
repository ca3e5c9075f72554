package campaign

// What the tests of the package look at.
var (
	LocalTime = localTime
	LocalDue  = localDue
	MessageID = messageID
)

// SetBatches sets how many people are queued, and written down, in one commit.
func SetBatches(queued, frozen int) (before [2]int) {
	before = [2]int{batchOf, frozenOf}
	batchOf, frozenOf = queued, frozen
	return before
}

// Judge is what a test says of counts.
func (t *Test) Judge(counts []Count) (string, string) { return t.judge(counts) }
