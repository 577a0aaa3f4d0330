"""What every command needs: session, deployment, templates, errors, output."""
