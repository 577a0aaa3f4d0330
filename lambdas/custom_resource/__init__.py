"""What functions behind CloudFormation's custom resources share."""
