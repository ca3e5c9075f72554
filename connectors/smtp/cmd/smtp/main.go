// Command smtp is the connector for e-mail over SMTP; a host starts it.
package main

import (
	"github.com/headwater-cdp/headwater/connectors/smtp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

func main() { sdk.Serve(smtp.Connector{}) }
