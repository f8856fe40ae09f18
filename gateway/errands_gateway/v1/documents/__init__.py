"""What the gateway answers: messages of the contract as JSON, mapped by hand."""
