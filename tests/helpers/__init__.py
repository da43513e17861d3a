"""What several tests share: runners of commands, settings of small runs, pictures, networks."""
