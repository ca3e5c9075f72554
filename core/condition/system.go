package condition

import "strings"

// PredictionComputed is the system event that brings a prediction to its profile,
// with the properties name and value.
const PredictionComputed = "Prediction Computed"

// messageEvents names the system events that tell what became of a message.
var messageEvents = map[string]string{
	"SENT": "Message Sent", "DELIVERED": "Message Delivered", "OPENED": "Message Opened", "CLICKED": "Message Clicked",
	"BOUNCED": "Message Bounced", "COMPLAINED": "Message Complained", "REPLIED": "Message Replied", "UNSUBSCRIBED": "Message Unsubscribed",
}

// membershipEvents are the system events that a condition reads with its segment
// and list nodes, never with event nodes: an entry caused by an entry would make
// the answer depend on the order in which segments are looked at.
var membershipEvents = map[string]string{
	"Segment Entered": "segment", "Segment Left": "segment", "List Joined": "list", "List Left": "list",
}

// domainEvents are what loyalty and leads tell of people.
var domainEvents = []string{
	"Points Earned", "Points Spent", "Points Expired", "Tier Changed", "Invitation Accepted", "Coupon Assigned", "Coupon Released", "Coupon Redeemed",
	"Lead Qualified", "Lead Cooled", "Lead Stage Changed", "Lead Converted", "Lead Score Adjusted",
}

var systemEvents = func() map[string]bool {
	set := map[string]bool{PredictionComputed: true, "Record Changed": true, "Profile Merged": true, "Profile Unmerged": true}
	for _, name := range domainEvents {
		set[name] = true
	}
	for _, name := range messageEvents {
		set[name] = true
	}
	for name := range membershipEvents {
		set[name] = true
	}
	return set
}()

// IsSystemEvent tells whether a name is one of Headwater's own events. An event
// node with such a name means the event of type SYSTEM, not one of the same name
// that a client sent.
func IsSystemEvent(name string) bool { return systemEvents[name] }

// MessageEvent returns the name of the system event for a message's status:
// "Message Opened" for OPENED.
func MessageEvent(status string) string {
	if name, ok := messageEvents[status]; ok {
		return name
	}
	return "Message " + strings.ToUpper(status[:min(1, len(status))]) + strings.ToLower(status[min(1, len(status)):])
}
